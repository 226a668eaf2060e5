import type { Json, JsonObject } from "@hone/core/Json"
import type { InputArtifact, StageContext, StageResult } from "@hone/core/Stage"
import { Effect } from "effect"
import { float64, int32, nullableFloat64, nullableUtf8, utf8 } from "../arrow/columns.ts"
import { readTable, strings } from "../arrow/reader.ts"
import { writeTable } from "../arrow/writer.ts"
import { attempt } from "../attempt.ts"
import { type MetricRow, metricRows, sliceRows } from "./metrics.ts"
import type { EvaluateParams } from "./params.ts"
import { readScored } from "./scored.ts"
import { type Slice, slicesOf } from "./slices.ts"

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
  const output = writeTable(context.folder, "metrics.arrow", columnsOf(rows), {
    metadata: Object.fromEntries(
      given.map(({ artifact, source }) => [`hone.${source}`, JSON.stringify(linkTo(artifact))])
    ),
    // Other predictions with equal metrics are other content: what reads them through this artifact must run again.
    contentMetadata: Object.fromEntries(given.map(({ artifact, source }) => [source, artifact.content])),
    facts: factsOf(rows, given[0]!.artifact),
    links: given.map(({ artifact }) => artifact.blob)
  })
  return { outputs: { metrics: output }, counts: { metrics: rows.length }, warnings: [] }
}

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
