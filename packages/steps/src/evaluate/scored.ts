import type { Table } from "apache-arrow"
import { typeName } from "../arrow/digest.ts"
import { float32Lists, float64s, labelColumn, readTable, strings, textLists } from "../arrow/reader.ts"
import { exactRows } from "../statistics/multilabel.ts"
import { targetKindOf } from "../tensors/outputs.ts"
import type { Targets } from "../tensors/targets.ts"

interface ScoredRows {
  readonly rowIds: ReadonlyArray<string>
  readonly texts: ReadonlyArray<string>
}

/** What one predictor said about rows of one class each, by class names of its own. */
export interface ScoredClasses extends ScoredRows {
  readonly kind: "classes"
  /** Sorted by code unit: every class that is true of a row, predicted, or scored. */
  readonly names: ReadonlyArray<string>
  /** [N] true classes */
  readonly labels: Int32Array
  /** [N] predicted classes */
  readonly predicted: Int32Array
  /** [N, names] probabilities, 0 for a class that the predictor does not know. */
  readonly scores: Float32Array
}

/** What it said about rows of several labels each. */
export interface ScoredSeveral extends ScoredRows {
  readonly kind: "several"
  /** Sorted by code unit. */
  readonly names: ReadonlyArray<string>
  /** [N, names] 1 for a label that holds */
  readonly truth: Uint8Array
  /** [N, names] 1 for a label that was predicted */
  readonly predicted: Uint8Array
  /** [N, names] probabilities */
  readonly scores: Float32Array
}

/** What it said about rows with a number each. */
export interface ScoredValues extends ScoredRows {
  readonly kind: "value"
  /** [N] */
  readonly truth: Float64Array
  /** [N] */
  readonly predicted: Float64Array
}

/** What one predictor said about some rows. */
export type Scored = ScoredClasses | ScoredSeveral | ScoredValues

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
  const rows = { rowIds: strings(table, "row_id"), texts: strings(table, "text") }
  switch (targetKindOf(typeName(table.getChild("label")!.type))) {
    case "value":
      return { kind: "value", ...rows, truth: float64s(table, "label"), predicted: float64s(table, "predicted") }
    case "several":
      return { ...rows, ...severalOf(table, scoreOrder) }
    case "classes":
      return { ...rows, ...classesOf(table, scoreOrder) }
  }
}

const classesOf = (table: Table, scoreOrder: ReadonlyArray<string>) => {
  const label = labelColumn(table, "label")
  const predicted = strings(table, "predicted")
  const names = [...new Set([...label.names, ...predicted, ...scoreOrder])].sort()
  const place = new Map(names.map((name, at) => [name, at]))
  return {
    kind: "classes" as const,
    names,
    labels: label.indices.map((index) => place.get(label.names[index]!)!),
    predicted: Int32Array.from(predicted, (name) => place.get(name)!),
    scores: scoresByName(table, scoreOrder, names)
  }
}

const severalOf = (table: Table, scoreOrder: ReadonlyArray<string>) => {
  const [truth, predicted] = [textLists(table, "label"), textLists(table, "predicted")]
  const names = [...new Set([...truth.flat(), ...scoreOrder])].sort()
  const place = new Map(names.map((name, at) => [name, at]))
  const marks = (lists: ReadonlyArray<ReadonlyArray<string>>) => {
    const values = new Uint8Array(lists.length * names.length)
    lists.forEach((list, row) => list.forEach((name) => (values[row * names.length + place.get(name)!] = 1)))
    return values
  }
  const scores = scoresByName(table, scoreOrder, names)
  return { kind: "several" as const, names, truth: marks(truth), predicted: marks(predicted), scores }
}

/** [N, names] from scores in the predictor's own order; 0 for what it does not know. */
const scoresByName = (table: Table, scoreOrder: ReadonlyArray<string>, names: ReadonlyArray<string>): Float32Array => {
  const scores = new Float32Array(table.numRows * names.length)
  const columns = scoreOrder.map((name) => names.indexOf(name))
  float32Lists(table, "scores").forEach((row, at) => {
    if (row.length !== columns.length) throw new TypeError(`${row.length} scores for ${columns.length} classes`)
    columns.forEach((column, from) => (scores[at * names.length + column] = row[from]!))
  })
  return scores
}

/** Some rows, in the order asked for. */
export const takeScored = (scored: Scored, rows: ReadonlyArray<number>): Scored => {
  const own = { rowIds: rows.map((row) => scored.rowIds[row]!), texts: rows.map((row) => scored.texts[row]!) }
  switch (scored.kind) {
    case "value": {
      const take = (values: Float64Array) => Float64Array.from(rows, (row) => values[row]!)
      return { ...scored, ...own, truth: take(scored.truth), predicted: take(scored.predicted) }
    }
    case "several": {
      const take = takeWide(rows, scored.names.length)
      return {
        ...scored,
        ...own,
        truth: take(scored.truth, Uint8Array),
        predicted: take(scored.predicted, Uint8Array),
        scores: take(scored.scores, Float32Array)
      }
    }
    case "classes": {
      const take = (values: Int32Array) => Int32Array.from(rows, (row) => values[row]!)
      const scores = takeWide(rows, scored.names.length)(scored.scores, Float32Array)
      return { ...scored, ...own, labels: take(scored.labels), predicted: take(scored.predicted), scores }
    }
  }
}

const takeWide =
  (rows: ReadonlyArray<number>, width: number) =>
  <A extends Uint8Array | Float32Array>(values: A, Made: new (length: number) => A): A => {
    const taken = new Made(rows.length * width)
    rows.forEach((row, at) => taken.set(values.subarray(row * width, (row + 1) * width), at * width))
    return taken
  }

/** What is true of the rows, classes and labels as places among `names`. */
export const targetsOf = (scored: ScoredClasses | ScoredSeveral): Targets =>
  scored.kind === "classes"
    ? { kind: "classes", classes: scored.labels }
    : { kind: "several", values: Float32Array.from(scored.truth), labels: scored.names.length }

/** [N] 1 where a row was predicted right: its class, or every one of its labels. A number is neither right nor wrong: empty. */
export const rightOf = (scored: Scored): Uint8Array => {
  switch (scored.kind) {
    case "classes":
      return Uint8Array.from(scored.labels, (label, row) => (scored.predicted[row] === label ? 1 : 0))
    case "several":
      return exactRows({ ...scored, labels: scored.names.length })
    case "value":
      return new Uint8Array(0)
  }
}

/** [N] the probability of a class of each row. */
export const scoresOf = ({ names, scores }: ScoredClasses, classes: Int32Array): Float64Array =>
  Float64Array.from(classes, (of, row) => scores[row * names.length + of]!)

/** What is true of a row, as text: for joining and for showing. */
export const truthOf = (scored: Scored, row: number): string => shownOf(scored, row, "truth")

/** What was predicted of a row, as text. */
export const predictedOf = (scored: Scored, row: number): string => shownOf(scored, row, "predicted")

const shownOf = (scored: Scored, row: number, side: "truth" | "predicted"): string => {
  switch (scored.kind) {
    case "classes":
      return scored.names[(side === "truth" ? scored.labels : scored.predicted)[row]!]!
    case "several":
      return scored.names.filter((_, at) => scored[side][row * scored.names.length + at] === 1).join(", ")
    case "value":
      return String(scored[side][row])
  }
}
