import type { Table } from "apache-arrow"
import { float32Lists, labelColumn, readTable, strings } from "../arrow/reader.ts"

/** What one predictor said about some rows, by class names of its own. */
export interface Scored {
  readonly rowIds: ReadonlyArray<string>
  readonly texts: ReadonlyArray<string>
  /** Sorted by code unit: every class that is true of a row, predicted, or scored. */
  readonly names: ReadonlyArray<string>
  /** [N] true classes */
  readonly labels: Int32Array
  /** [N] predicted classes */
  readonly predicted: Int32Array
  /** [N, names] probabilities, 0 for a class that the predictor does not know. */
  readonly scores: Float32Array
}

/**
 * The predictors of a predictions artifact by name, in the order in which they stand in it.
 * @param scoreOrder class names in the order of the scores: the artifact's fact `labels`
 */
export const readScored = (
  artifact: { readonly path: string; readonly blob: string },
  scoreOrder: ReadonlyArray<string>
): ReadonlyMap<string, Scored> => {
  const table = readTable(artifact)
  const places = Map.groupBy(strings(table, "predictor").entries(), ([, predictor]) => predictor)
  const whole = columnsOf(table, scoreOrder)
  return new Map(
    [...places].map(([predictor, entries]) => [
      predictor,
      takeScored(
        whole,
        entries.map(([row]) => row)
      )
    ])
  )
}

const columnsOf = (table: Table, scoreOrder: ReadonlyArray<string>): Scored => {
  const label = labelColumn(table, "label")
  const predicted = strings(table, "predicted")
  const names = [...new Set([...label.names, ...predicted, ...scoreOrder])].sort()
  const place = new Map(names.map((name, at) => [name, at]))
  const scores = new Float32Array(table.numRows * names.length)
  const columns = scoreOrder.map((name) => place.get(name)!)
  float32Lists(table, "scores").forEach((row, at) => {
    if (row.length !== columns.length) throw new TypeError(`${row.length} scores for ${columns.length} classes`)
    columns.forEach((column, from) => (scores[at * names.length + column] = row[from]!))
  })
  return {
    rowIds: strings(table, "row_id"),
    texts: strings(table, "text"),
    names,
    labels: label.indices.map((index) => place.get(label.names[index]!)!),
    predicted: Int32Array.from(predicted, (name) => place.get(name)!),
    scores
  }
}

/** Some rows, in the order asked for. */
export const takeScored = (scored: Scored, rows: ReadonlyArray<number>): Scored => {
  const width = scored.names.length
  const scores = new Float32Array(rows.length * width)
  rows.forEach((row, at) => scores.set(scored.scores.subarray(row * width, (row + 1) * width), at * width))
  return {
    rowIds: rows.map((row) => scored.rowIds[row]!),
    texts: rows.map((row) => scored.texts[row]!),
    names: scored.names,
    labels: Int32Array.from(rows, (row) => scored.labels[row]!),
    predicted: Int32Array.from(rows, (row) => scored.predicted[row]!),
    scores
  }
}

/** [N] 1 where the predicted class is the true one. */
export const rightOf = ({ labels, predicted }: Scored): Uint8Array =>
  Uint8Array.from(labels, (label, row) => (predicted[row] === label ? 1 : 0))

/** [N] the probability of a class of each row. */
export const scoresOf = ({ names, scores }: Scored, classes: Int32Array): Float64Array =>
  Float64Array.from(classes, (of, row) => scores[row * names.length + of]!)
