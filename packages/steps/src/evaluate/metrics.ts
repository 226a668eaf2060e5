import { classScores, confusionMatrix, f1, matthewsCorrelation } from "../statistics/classification.ts"
import { calibrationError, meanOver, rowLosses } from "../statistics/probability.ts"
import type { metricNames } from "./params.ts"
import { type ScalarName, scalarNames } from "./scalarNames.ts"
import { rightOf, type Scored, scoresOf } from "./scored.ts"

export type MetricName = (typeof metricNames)[number]

/** Whether more of it is better: not of losses and errors. */
export const isHigherBetter = (metric: ScalarName): boolean => metric !== "log_loss" && metric !== "ece"

/** A metric as a function of rows: all, or those named, repeated ones as often as they stand. */
export type MetricOfRows = (rows?: Int32Array) => number

/** Prepares what does not hang on the rows, so that a bootstrap asks ten thousand times at little cost. */
export const scalarMetric = (metric: ScalarName, scored: Scored): MetricOfRows => {
  const { labels, names, predicted } = scored
  const confusion = (rows?: Int32Array) => confusionMatrix(labels, predicted, names.length, rows)
  switch (metric) {
    case "accuracy":
    case "f1_micro": {
      const right = Float64Array.from(rightOf(scored))
      return (rows) => meanOver(right, rows)
    }
    case "f1_macro":
      return (rows) => f1(confusion(rows), "macro")
    case "f1_weighted":
      return (rows) => f1(confusion(rows), "weighted")
    case "mcc":
      return (rows) => matthewsCorrelation(confusion(rows))
    case "log_loss": {
      const losses = rowLosses(labels, scored.scores, names.length)
      return (rows) => meanOver(losses, rows)
    }
    case "ece": {
      const [confidences, right] = [scoresOf(scored, predicted), rightOf(scored)]
      return (rows) => calibrationError(confidences, right, 15, rows)
    }
  }
}

/** A row of the metrics artifact. */
export interface MetricRow {
  readonly predictor: string
  readonly metric: string
  /** The true class, for metrics of a class and for the confusion matrix. */
  readonly class: string | null
  /** The predicted class, for the confusion matrix. */
  readonly predicted: string | null
  readonly value: number
}

/** The metrics asked for, in an order of their own: how the file lists them changes nothing. */
export const metricRows = (
  predictor: string,
  scored: Scored,
  wanted: ReadonlyArray<MetricName>
): ReadonlyArray<MetricRow> => {
  const scalars = scalarNames.filter((metric) => wanted.includes(metric))
  const rows: Array<MetricRow> = scalars.map((metric) => ({
    predictor,
    metric,
    class: null,
    predicted: null,
    value: scalarMetric(metric, scored)()
  }))
  if (wanted.includes("per_class")) rows.push(...classRows(predictor, scored))
  if (wanted.includes("confusion")) rows.push(...confusionRows(predictor, scored))
  return rows
}

const classRows = (predictor: string, { labels, names, predicted }: Scored): ReadonlyArray<MetricRow> =>
  classScores(confusionMatrix(labels, predicted, names.length)).flatMap((score, at) =>
    (["precision", "recall", "f1", "support"] as const).map((metric) => ({
      predictor,
      metric,
      class: names[at]!,
      predicted: null,
      value: score[metric]
    }))
  )

const confusionRows = (predictor: string, { labels, names, predicted }: Scored): ReadonlyArray<MetricRow> =>
  Array.from(confusionMatrix(labels, predicted, names.length).counts, (value, at) => ({
    predictor,
    metric: "confusion",
    class: names[Math.floor(at / names.length)]!,
    predicted: names[at % names.length]!,
    value
  }))
