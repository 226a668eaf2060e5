import type { JsonObject } from "@hone/core/Json"
import type { OutputArtifact } from "@hone/core/Stage"
import {
  float64,
  type LabelDictionary,
  labelDictionary,
  labels as labelColumn,
  listFloat32,
  listUtf8,
  utf8
} from "../arrow/columns.ts"
import { TableWriter } from "../arrow/writer.ts"
import type { Targets } from "../tensors/targets.ts"
import { decide, type Thresholds } from "./decide.ts"

/** Rows that were predicted, with their true classes. */
export interface PredictedRows {
  readonly rowIds: ReadonlyArray<string>
  readonly texts: ReadonlyArray<string>
  /** Classes and labels as indices into `labels`. */
  readonly targets: Targets
}

export interface Predictions {
  readonly folder: string
  readonly file: string
  readonly rows: PredictedRows
  /** Class names, in the order of the scores. */
  readonly labels: ReadonlyArray<string>
  /** Each predictor's probabilities, or the numbers that it predicts, float32 [rows, labels]. */
  readonly predictors: ReadonlyArray<{ readonly name: string; readonly scores: Float32Array }>
  /** What decides instead of the highest score, or of a half. */
  readonly thresholds?: Thresholds | undefined
  readonly facts?: JsonObject
}

/** Writes a predictions artifact, a batch of rows for each predictor. What is predicted follows from the scores: see `decide`. */
export const writePredictions = (given: Predictions): OutputArtifact => {
  const { facts, file, folder, labels, predictors, rows, thresholds } = given
  // The order of the scores is content: a dictionary's is not, and facts are none.
  const writer = new TableWriter(folder, file, { metadata: { "hone.labels": JSON.stringify(labels) } })
  const dictionary = labelDictionary(labels)
  try {
    for (const { name, scores } of predictors.length > 0 ? predictors : [nobody]) {
      const kept = predictors.length > 0 ? rows : emptyLike(rows)
      writer.write({
        row_id: utf8(kept.rowIds),
        text: utf8(kept.texts),
        ...said(kept, dictionary, scores, thresholds),
        predictor: utf8(kept.rowIds.map(() => name))
      })
    }
    return writer.finish({
      facts: {
        labels,
        rows: predictors.length > 0 ? rows.rowIds.length : 0,
        predictors: predictors.map(({ name }) => name),
        thresholds: thresholds ?? null,
        ...facts
      }
    })
  } catch (error) {
    writer.abandon()
    throw error
  }
}

/** The columns of what is true and what was predicted. */
const said = (
  { rowIds, targets }: PredictedRows,
  dictionary: LabelDictionary,
  scores: Float32Array,
  thresholds: Thresholds | undefined
) => {
  const { names: labels } = dictionary
  const width = labels.length
  const lists = () =>
    listFloat32(
      scores,
      Int32Array.from({ length: rowIds.length + 1 }, (_, row) => row * width)
    )
  const decided = () =>
    rowIds.map((_, row) =>
      decide(targets.kind, labels, scores.subarray(row * width, (row + 1) * width), thresholds).map((at) => labels[at]!)
    )
  switch (targets.kind) {
    case "value":
      return { label: float64(targets.values), predicted: float64(Float64Array.from(scores)) }
    case "several": {
      const holding = rowIds.map((_, row) => labels.filter((__, at) => targets.values[row * width + at] === 1))
      return { label: listUtf8(holding), predicted: listUtf8(decided()), scores: lists() }
    }
    case "classes":
      return {
        label: labelColumn(targets.classes, dictionary),
        predicted: utf8(decided().map(([name]) => name!)),
        scores: lists()
      }
  }
}

const emptyLike = ({ targets }: PredictedRows): PredictedRows => {
  const none = { rowIds: [], texts: [] }
  switch (targets.kind) {
    case "value":
      return { ...none, targets: { kind: "value", values: new Float64Array(0) } }
    case "several":
      return { ...none, targets: { ...targets, values: new Float32Array(0) } }
    case "classes":
      return { ...none, targets: { kind: "classes", classes: new Int32Array(0) } }
  }
}

const nobody = { name: "", scores: new Float32Array(0) }
