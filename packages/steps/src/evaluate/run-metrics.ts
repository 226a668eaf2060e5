import type { Json, JsonObject } from "@hone/core/Json"
import { type InputArtifact, type StageContext, StageError, type StageResult } from "@hone/core/Stage"
import { Effect } from "effect"
import { float64, int32, nullableFloat64, nullableUtf8, utf8 } from "../arrow/columns.ts"
import { readTable, strings } from "../arrow/reader.ts"
import { writeTable } from "../arrow/writer.ts"
import { attempt } from "../attempt.ts"
import type { Thresholds } from "./decide.ts"
import { type MetricRow, metricRows, sliceRows } from "./metrics.ts"
import type { EvaluateParams } from "./params.ts"
import { readScored, type ScoredClasses, type ScoredSeveral, targetsOf } from "./scored.ts"
import { type Slice, slicesOf } from "./slices.ts"
import { writePredictions } from "./predictionsTable.ts"
import { chosenThresholds, takesThresholds, underThresholds } from "./thresholds.ts"

/** Metrics of the model and of its rivals, from their predictions alone. */
export const run = Effect.fn("evaluate.metrics")(function* (context: StageContext) {
  return yield* attempt(() => computeMetrics(context, context.params as EvaluateParams))
})

const sources = ["predictions", "rivals"] as const

const computeMetrics = (context: StageContext, params: EvaluateParams): StageResult => {
  const given = sources.flatMap((source) => {
    const artifact = context.inputs[source]
    return artifact === undefined ? [] : [{ source, artifact }]
  })
  const resampling = { ...params, seed: context.seed }
  const slices = allSlices(context, params.slice_by)
  const rows = given.flatMap(({ artifact }) =>
    [...readScored(artifact, scoreOrder(artifact))].flatMap(([predictor, scored]) => [
      ...metricRows(predictor, scored, params.metrics, resampling),
      ...slices.flatMap((slice) => sliceRows(predictor, scored, slice, params.metrics, resampling))
    ])
  )
  const { decided, warnings } = decisionsOf(context)
  if (decided !== undefined) rows.push(...thresholdRows(decided, params, context.seed))
  const output = writeTable(context.folder, "metrics.arrow", columnsOf(rows), {
    metadata: Object.fromEntries(
      given.map(({ artifact, source }) => [`hone.${source}`, JSON.stringify(linkTo(artifact))])
    ),
    // Other predictions with equal metrics are other content: what reads them through this artifact must run again.
    contentMetadata: Object.fromEntries(given.map(({ artifact, source }) => [source, artifact.content])),
    facts: {
      ...factsOf(rows, given[0]!.artifact),
      model_digest: modelBehind(given[0]!.artifact),
      thresholds: decided?.thresholds ?? null
    },
    links: given.map(({ artifact }) => artifact.blob)
  })
  const decisions = writeDecisions(context, decided)
  return {
    outputs: { metrics: output, decisions },
    counts: { metrics: rows.length },
    warnings: [...silence(context), ...warnings]
  }
}

/** A model of several labels that names none on any row, which subset accuracy and F1 of 0 do not explain. */
const silence = ({ inputs }: StageContext): ReadonlyArray<string> => {
  const scored = modelOf(inputs["predictions"]!)
  if (scored?.kind !== "several" || !scored.truth.includes(1) || scored.predicted.includes(1)) return []
  const most = scored.scores.reduce((a, b) => Math.max(a, b), 0)
  return [
    `the model gives no row a label: the highest probability on ${scored.rowIds.length} rows is ${most.toFixed(3)}, and a label begins at 0.5; train longer or at a higher learning rate, or connect \`thresholds_from\``
  ]
}

/** Metrics that hang on where a label begins to be predicted. */
const decidedMetrics = [
  "accuracy",
  "f1_macro",
  "f1_micro",
  "f1_weighted",
  "mcc",
  "subset_accuracy",
  "per_class",
  "confusion"
]

/** The model's rows under thresholds that other rows chose. */
interface Decided {
  readonly thresholds: Thresholds
  /** How many rows chose them. */
  readonly chosenOn: number
  readonly scored: ScoredClasses | ScoredSeveral
}

interface Decisions {
  /** Undefined where no thresholds were asked for, or none are to be had. */
  readonly decided: Decided | undefined
  readonly warnings: ReadonlyArray<string>
}

const decisionsOf = ({ inputs }: StageContext): Decisions => {
  const validation = inputs["thresholds_from"]
  const predictions = inputs["predictions"]!
  const none = (...warnings: ReadonlyArray<string>) => ({ decided: undefined, warnings })
  if (validation === undefined) return none()
  if (modelBehind(validation) !== modelBehind(predictions)) throw ofAnotherModel
  const [chosenOn, scored] = [modelOf(validation), modelOf(predictions)]
  if (chosenOn === undefined || scored === undefined) return none("no rows to choose thresholds on, or to try them on")
  const seen = new Set(chosenOn.rowIds)
  if (scored.rowIds.some((rowId) => seen.has(rowId))) throw judgedOnThemselves
  const thresholds = chosenThresholds(chosenOn)
  if (thresholds === null || !takesThresholds(scored, thresholds))
    return none("thresholds are for two classes or several labels, the same on both sides: none were chosen")
  const decided = { thresholds, chosenOn: chosenOn.rowIds.length, scored: underThresholds(scored, thresholds) }
  return { decided, warnings: [] }
}

/** A predictor of its own, and the thresholds as metrics of their labels. */
const thresholdRows = (
  { chosenOn, scored, thresholds }: Decided,
  { confidence, metrics, resamples }: EvaluateParams,
  seed: number
): ReadonlyArray<MetricRow> => {
  const predictor = "model_thresholds"
  const wanted = metrics.filter((metric) => decidedMetrics.includes(metric))
  const chosen = Object.entries(thresholds).map(([name, value]) => ({
    predictor,
    metric: "threshold",
    class: name,
    predicted: null,
    value,
    slice: null,
    rows: chosenOn,
    low: null,
    high: null
  }))
  return [...metricRows(predictor, scored, wanted, { resamples, confidence, seed }), ...chosen]
}

/** The model's predictions with what the thresholds decide; without rows where there are none. */
const writeDecisions = ({ folder, inputs }: StageContext, decided: Decided | undefined) => {
  const place = { folder, file: "decisions.arrow", facts: { model: modelBehind(inputs["predictions"]!) } }
  if (decided === undefined) {
    const nothing = { rowIds: [], texts: [], targets: { kind: "classes", classes: new Int32Array(0) } } as const
    return writePredictions({ ...place, rows: nothing, labels: [], predictors: [] })
  }
  const { scored, thresholds } = decided
  const { names: labels, rowIds, scores, texts } = scored
  const rows = { rowIds, texts, targets: targetsOf(scored) }
  return writePredictions({ ...place, rows, labels, predictors: [{ name: "model", scores }], thresholds })
}

const modelOf = (artifact: InputArtifact) => readScored(artifact, scoreOrder(artifact)).get("model")

/** Content digest of the model that predicted. */
const modelBehind = ({ facts }: InputArtifact): string | null =>
  typeof facts["model"] === "string" ? facts["model"] : null

const ofAnotherModel = new StageError({
  code: "thresholds_of_another_model",
  message: "the predictions at `thresholds_from` are another model's: its probabilities say nothing about this one's",
  hint: "evaluate the validation rows with the same model, and connect those predictions"
})

const judgedOnThemselves = new StageError({
  code: "thresholds_on_test_rows",
  message:
    "rows at `thresholds_from` are among the rows that are evaluated: thresholds would be judged by what chose them",
  hint: "connect the predictions of an `evaluate` of the validation rows"
})

const allSlices = (context: StageContext, columns: ReadonlyArray<string>): ReadonlyArray<Slice> => {
  if (columns.length === 0) return []
  const table = readTable(context.inputs["rows"]!)
  const rowIds = strings(table, "row_id")
  return columns.flatMap((column) => slicesOf(table, rowIds, column))
}

/** What a reader of the metrics needs to read the predictions behind them. */
export interface PredictionsLink {
  readonly blob: string
  readonly content: string
  /** Class names in the order of the scores. */
  readonly labels: ReadonlyArray<string>
  /** How the predictions came about: `classifier`, `probe`. */
  readonly how: string | null
}

const linkTo = (artifact: InputArtifact): PredictionsLink => ({
  blob: artifact.blob,
  content: artifact.content,
  labels: scoreOrder(artifact),
  how: typeof artifact.facts["how"] === "string" ? artifact.facts["how"] : null
})

const scoreOrder = ({ facts }: InputArtifact): ReadonlyArray<string> => facts["labels"] as ReadonlyArray<string>

const columnsOf = (rows: ReadonlyArray<MetricRow>) => ({
  predictor: utf8(rows.map(({ predictor }) => predictor)),
  metric: utf8(rows.map(({ metric }) => metric)),
  class: nullableUtf8(rows.map((row) => row.class)),
  predicted: nullableUtf8(rows.map(({ predicted }) => predicted)),
  slice: nullableUtf8(rows.map(({ slice }) => slice)),
  rows: int32(Int32Array.from(rows, (row) => row.rows)),
  value: float64(Float64Array.from(rows, ({ value }) => value)),
  low: nullableFloat64(rows.map(({ low }) => low)),
  high: nullableFloat64(rows.map(({ high }) => high))
})

/** The numbers of each predictor that are one number. */
const factsOf = (rows: ReadonlyArray<MetricRow>, predictions: InputArtifact): JsonObject => {
  const facts: Record<string, Record<string, Json>> = {}
  for (const { class: of, metric, predictor, slice, value } of rows) {
    if (of === null && slice === null && Number.isFinite(value)) (facts[predictor] ??= {})[metric] = value
  }
  return { ...facts, rows: predictions.facts["rows"] ?? 0, how: predictions.facts["how"] ?? null }
}
