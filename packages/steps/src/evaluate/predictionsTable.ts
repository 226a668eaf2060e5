import type { JsonObject } from "@hone/core/Json"
import type { OutputArtifact } from "@hone/core/Stage"
import { labelDictionary, labels as labelColumn, listFloat32, utf8 } from "../arrow/columns.ts"
import { TableWriter } from "../arrow/writer.ts"

/** Rows that were predicted, with their true classes. */
export interface PredictedRows {
  readonly rowIds: ReadonlyArray<string>
  readonly texts: ReadonlyArray<string>
  /** [rows] index into `labels` */
  readonly targets: Int32Array
}

export interface Predictions {
  readonly folder: string
  readonly file: string
  readonly rows: PredictedRows
  /** Class names, in the order of the scores. */
  readonly labels: ReadonlyArray<string>
  /** Each predictor's probabilities, float32 [rows, labels]. */
  readonly predictors: ReadonlyArray<{ readonly name: string; readonly scores: Float32Array }>
  readonly facts?: JsonObject
}

/** Writes a predictions artifact, a batch of rows for each predictor. The class of the highest score is predicted, the first of equals. */
export const writePredictions = ({ facts, file, folder, labels, predictors, rows }: Predictions): OutputArtifact => {
  const dictionary = labelDictionary(labels)
  const writer = new TableWriter(folder, file)
  try {
    for (const { name, scores } of predictors.length > 0 ? predictors : [nobody]) {
      const kept = predictors.length > 0 ? rows : noRows
      writer.write({
        row_id: utf8(kept.rowIds),
        text: utf8(kept.texts),
        label: labelColumn(kept.targets, dictionary),
        predicted: utf8(kept.rowIds.map((_, row) => labels[highest(scores, row, labels.length)]!)),
        scores: listFloat32(
          scores,
          Int32Array.from({ length: kept.rowIds.length + 1 }, (_, row) => row * labels.length)
        ),
        predictor: utf8(kept.rowIds.map(() => name))
      })
    }
    return writer.finish({
      facts: { labels, rows: rows.rowIds.length, predictors: predictors.map(({ name }) => name), ...facts }
    })
  } catch (error) {
    writer.abandon()
    throw error
  }
}

const noRows: PredictedRows = { rowIds: [], texts: [], targets: new Int32Array(0) }
const nobody = { name: "", scores: new Float32Array(0) }

const highest = (scores: Float32Array, row: number, width: number): number => {
  let best = 0
  for (let index = 1; index < width; index++) {
    if (scores[row * width + index]! > scores[row * width + best]!) best = index
  }
  return best
}
