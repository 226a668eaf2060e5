import { percentileInterval, resampled } from "../statistics/bootstrap.ts"
import { classScores, confusionMatrix, f1, matthewsCorrelation } from "../statistics/classification.ts"
import { labelScores, severalF1, severalLosses } from "../statistics/multilabel.ts"
import { calibrationError, meanOver, rowLosses } from "../statistics/probability.ts"
import { areaUnderRoc, averagePrecision, rankingOf } from "../statistics/ranking.ts"
import { determination, meanAbsoluteError, pearson, rootMeanSquaredError, spearman } from "../statistics/regression.ts"
import { highest } from "./decide.ts"
import type { metricNames } from "./params.ts"
import type { Slice } from "./slices.ts"
import { type ScalarName, scalarsOf } from "./scalarNames.ts"
import {
  rightOf,
  type Scored,
  type ScoredClasses,
  scoresOf,
  type ScoredSeveral,
  type ScoredValues,
  takeScored
} from "./scored.ts"

export type MetricName = (typeof metricNames)[number]

/** A metric as a function of rows: all, or those named, repeated ones as often as they stand. */
export type MetricOfRows = (rows?: Int32Array) => number

/**
 * Prepares what does not hang on the rows, so that a bootstrap asks ten thousand times at little cost. Throws TypeError for a metric
 * that such rows do not have (`scalarsOf`).
 */
export const scalarMetric = (metric: ScalarName, scored: Scored): MetricOfRows => {
  switch (scored.kind) {
    case "classes":
      return classMetric(metric, scored)
    case "several":
      return severalMetric(metric, scored)
    case "value":
      return valueMetric(metric, scored)
  }
}

const TOP_K = /^top_(\d+)_accuracy$/

/** A metric by the name that it is told by: a scalar one, or `top_K_accuracy` for any K. Throws TypeError as {@link scalarMetric}. */
export const namedMetric = (metric: string, scored: Scored): MetricOfRows => {
  const top = TOP_K.exec(metric)
  return top !== null && scored.kind === "classes"
    ? topAccuracy(scored, Number(top[1]))
    : scalarMetric(metric as ScalarName, scored)
}

/** Names of the metrics asked for that such rows have, in one order: scalar ones, then accuracies among the first k. */
export const metricsTold = (
  scored: Scored,
  wanted: ReadonlyArray<MetricName>,
  top_k: ReadonlyArray<number>
): ReadonlyArray<string> => [
  ...scalarsOf(scored.kind).filter((metric) => wanted.includes(metric) && tells(metric, scored)),
  ...furtherTops(scored, wanted, top_k)
]

const noSuchMetric = (metric: ScalarName, { kind }: Scored): TypeError =>
  new TypeError(`${metric} is no metric of rows of kind ${kind}`)

const classMetric = (metric: ScalarName, scored: ScoredClasses): MetricOfRows => {
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
    case "auroc":
    case "average_precision":
      return rankingMetric(metric, { ...scored, truth: oneHot(scored) })
    case "top_3_accuracy":
      return topAccuracy(scored, 3)
    case "log_loss": {
      const losses = rowLosses(labels, scored.scores, names.length)
      return (rows) => meanOver(losses, rows)
    }
    case "ece": {
      // Of the class that scores highest, whatever a threshold decides: calibration is about probabilities alone.
      const likeliest = labels.map((_, row) =>
        highest(scored.scores.subarray(row * names.length, (row + 1) * names.length))
      )
      const [confidences, right] = [scoresOf(scored, likeliest), rightOf({ ...scored, predicted: likeliest })]
      return (rows) => calibrationError(confidences, right, 15, rows)
    }
    default:
      throw noSuchMetric(metric, scored)
  }
}

const severalMetric = (metric: ScalarName, scored: ScoredSeveral): MetricOfRows => {
  const several = { labels: scored.names.length, truth: scored.truth, predicted: scored.predicted }
  switch (metric) {
    case "subset_accuracy": {
      const right = Float64Array.from(rightOf(scored))
      return (rows) => meanOver(right, rows)
    }
    case "f1_micro":
      return (rows) => severalF1(several, "micro", rows)
    case "f1_macro":
      return (rows) => severalF1(several, "macro", rows)
    case "auroc":
    case "average_precision":
      return rankingMetric(metric, scored)
    case "log_loss": {
      const losses = severalLosses(several, scored.scores)
      return (rows) => meanOver(losses, rows)
    }
    default:
      throw noSuchMetric(metric, scored)
  }
}

const valueMetric = (metric: ScalarName, scored: ScoredValues): MetricOfRows => {
  const measure = valueMetrics[metric]
  if (measure === undefined) throw noSuchMetric(metric, scored)
  return measure(scored)
}

const valueMetrics: Readonly<Partial<Record<ScalarName, (scored: ScoredValues) => MetricOfRows>>> = {
  mae: meanAbsoluteError,
  rmse: rootMeanSquaredError,
  r2: determination,
  pearson,
  spearman
}

const oneHot = ({ labels, names }: ScoredClasses): Uint8Array => {
  const truth = new Uint8Array(labels.length * names.length)
  labels.forEach((label, row) => (truth[row * names.length + label] = 1))
  return truth
}

interface Ranked {
  readonly names: ReadonlyArray<string>
  /** [N, names] */
  readonly truth: Uint8Array
  /** [N, names] */
  readonly scores: Float32Array
}

/**
 * The mean over classes of how well each is ranked against the rest; classes that all or none of the rows have are left out. Of two
 * classes, `auroc` is that of either.
 */
const rankingMetric = (metric: "auroc" | "average_precision", { names, scores, truth }: Ranked): MetricOfRows => {
  const width = names.length
  const column = <A extends ArrayLike<number>>(values: A, label: number) =>
    Array.from({ length: truth.length / width }, (_, row) => values[row * width + label]!)
  const rankings = names.map((_, label) =>
    rankingOf(Uint8Array.from(column(truth, label)), Float64Array.from(column(scores, label)))
  )
  const measure = metric === "auroc" ? areaUnderRoc : averagePrecision
  return (rows) => {
    const counts = rows === undefined ? undefined : countsOf(rows, truth.length / width)
    const each = rankings.map((ranking) => measure(ranking, counts)).filter((value) => !Number.isNaN(value))
    return each.reduce((sum, value) => sum + value / each.length, each.length === 0 ? NaN : 0)
  }
}

/** [N] how often each row stands among those chosen. */
const countsOf = (rows: Int32Array, count: number): Float64Array => {
  const counts = new Float64Array(count)
  for (const row of rows) counts[row]!++
  return counts
}

const topAccuracy = (scored: ScoredClasses, count: number): MetricOfRows => {
  const right = topRight(scored, count)
  return (rows) => meanOver(right, rows)
}

/** [N] 1 where fewer than `count` classes score above the true one. */
const topRight = ({ labels, names, scores }: ScoredClasses, count: number): Float64Array =>
  Float64Array.from(labels, (label, row) => {
    const own = scores.subarray(row * names.length, (row + 1) * names.length)
    return own.filter((score) => score > own[label]!).length < count ? 1 : 0
  })

/** A row of the metrics artifact. */
export interface MetricRow {
  readonly predictor: string
  readonly metric: string
  /** The true class, for metrics of a class and for the confusion matrix. */
  readonly class: string | null
  /** The predicted class, for the confusion matrix. */
  readonly predicted: string | null
  readonly value: number
  /** The rows that it is of; null for all. */
  readonly slice: string | null
  /** How many rows those are. */
  readonly rows: number
  /** The bootstrap interval of a metric that is one number; null for the others, and where it is none. */
  readonly low: number | null
  readonly high: number | null
}

export interface Telling {
  /** Further k of `top_K_accuracy`. */
  readonly top_k?: ReadonlyArray<number> | undefined
  readonly resamples: number
  readonly confidence: number
  readonly seed: number
}

/** Intervals of metrics over the same resamples of rows; nothing where none are drawn. */
const intervalsOf = (metrics: ReadonlyArray<MetricOfRows>, rows: number, { confidence, resamples, seed }: Telling) => {
  if (resamples === 0 || rows === 0) return metrics.map(() => ({ low: null, high: null }))
  return resampled(rows, metrics, { resamples, seed }).map((values) => {
    // Resamples without a row of some class have no such metric.
    const { high, low } = percentileInterval(
      values.filter((value) => !Number.isNaN(value)),
      confidence
    )
    return { low: Number.isFinite(low) ? low : null, high: Number.isFinite(high) ? high : null }
  })
}

/** The metrics of the rows of a slice that are one number. */
export const sliceRows = (
  predictor: string,
  scored: Scored,
  slice: Slice,
  wanted: ReadonlyArray<MetricName>,
  telling: Telling
): ReadonlyArray<MetricRow> => {
  const places = scored.rowIds.flatMap((rowId, row) => (slice.rowIds.has(rowId) ? [row] : []))
  const scalars = wanted.filter((metric) => metric !== "per_class" && metric !== "confusion")
  return metricRows(predictor, takeScored(scored, places), scalars, telling).map((row) => ({
    ...row,
    slice: slice.name
  }))
}

/** The metrics asked for, in an order of their own: how the file lists them changes nothing. */
export const metricRows = (
  predictor: string,
  scored: Scored,
  wanted: ReadonlyArray<MetricName>,
  telling: Telling
): ReadonlyArray<MetricRow> => {
  const scalars = metricsTold(scored, wanted, telling.top_k ?? []).map((metric) => ({
    metric,
    measure: namedMetric(metric, scored)
  }))
  const metrics = scalars.map(({ measure }) => measure)
  const intervals = intervalsOf(metrics, scored.rowIds.length, telling)
  const rows: Array<MetricRow> = scalars.map(({ measure, metric }, at) => ({
    predictor,
    metric,
    class: null,
    predicted: null,
    value: measure(),
    slice: null,
    rows: scored.rowIds.length,
    ...intervals[at]!
  }))
  if (wanted.includes("per_class")) rows.push(...classRows(predictor, scored))
  if (wanted.includes("confusion") && scored.kind === "classes") rows.push(...confusionRows(predictor, scored))
  return rows
}

/** Accuracies among the first k, ascending; not that of three again where it is asked for by name. */
const furtherTops = (scored: Scored, wanted: ReadonlyArray<MetricName>, top_k: ReadonlyArray<number>) => {
  if (scored.kind !== "classes") return []
  return [...new Set(top_k)]
    .filter((k) => k < scored.names.length && !(k === 3 && wanted.includes("top_3_accuracy")))
    .sort((a, b) => a - b)
    .map((k) => `top_${k}_accuracy`)
}

/** Three of three classes are always among the first three. */
const tells = (metric: ScalarName, scored: Scored): boolean =>
  metric !== "top_3_accuracy" || (scored.kind === "classes" && scored.names.length > 3)

const classRows = (predictor: string, scored: Scored): ReadonlyArray<MetricRow> => {
  if (scored.kind === "value") return []
  return scoresByClass(scored).flatMap((score, at) =>
    (["precision", "recall", "f1", "support"] as const).map((metric) => ({
      predictor,
      metric,
      class: scored.names[at]!,
      predicted: null,
      value: score[metric],
      slice: null,
      rows: scored.rowIds.length,
      low: null,
      high: null
    }))
  )
}

const scoresByClass = (scored: ScoredClasses | ScoredSeveral) =>
  scored.kind === "classes"
    ? classScores(confusionMatrix(scored.labels, scored.predicted, scored.names.length))
    : labelScores({ ...scored, labels: scored.names.length })

const confusionRows = (
  predictor: string,
  { labels, names, predicted, rowIds }: ScoredClasses
): ReadonlyArray<MetricRow> =>
  Array.from(confusionMatrix(labels, predicted, names.length).counts, (value, at) => ({
    predictor,
    metric: "confusion",
    class: names[Math.floor(at / names.length)]!,
    predicted: names[at % names.length]!,
    value,
    slice: null,
    rows: rowIds.length,
    low: null,
    high: null
  }))
