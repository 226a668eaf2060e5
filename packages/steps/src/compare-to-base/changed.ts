import type { OutputArtifact } from "@hone/core/Stage"
import { type Column, float64, labelDictionary, labels, utf8 } from "../arrow/columns.ts"
import { writeTable } from "../arrow/writer.ts"
import { predictedOf, type Scored, scoresOf, truthOf } from "../evaluate/scored.ts"
import { severalLosses } from "../statistics/multilabel.ts"
import type { changesBetween } from "./compare.ts"

/** What two models said of the same rows, in one order. */
export interface Pair {
  readonly base: Scored
  readonly tuned: Scored
}

/**
 * The rows that only one of two models gets right: broken ones first, then fixed ones; within each those of which the tuned model is
 * surest in the wrong, or surest in the right.
 */
export interface ChangedRows {
  /** Places of the rows. */
  readonly rows: ReadonlyArray<number>
  /** How many of them are broken. */
  readonly broken: number
  /** [N] of all rows, the probability that each model gives to what is true. */
  readonly scores: { readonly base: Float64Array; readonly tuned: Float64Array }
}

export const changedRows = (
  { base, tuned }: Pair,
  { broken, fixed }: ReturnType<typeof changesBetween>
): ChangedRows => {
  const scores = { base: truthScores(base), tuned: truthScores(tuned) }
  const by = (sign: number) => (a: number, b: number) =>
    sign * (scores.tuned[a]! - scores.tuned[b]!) || (base.rowIds[a]! < base.rowIds[b]! ? -1 : 1)
  return { rows: [...broken.toSorted(by(1)), ...fixed.toSorted(by(-1))], broken: broken.length, scores }
}

/** Writes such rows, with their texts, as an artifact of kind `rows`. */
export const writeChanged = (
  { file, folder }: { readonly folder: string; readonly file: string },
  { base, tuned }: Pair,
  { broken, rows, scores }: ChangedRows
): OutputArtifact => {
  const columns = {
    row_id: utf8(rows.map((row) => base.rowIds[row]!)),
    text: utf8(rows.map((row) => base.texts[row]!)),
    label: truthColumn(base, rows),
    base_predicted: utf8(rows.map((row) => predictedOf(base, row))),
    tuned_predicted: utf8(rows.map((row) => predictedOf(tuned, row))),
    base_score: float64(Float64Array.from(rows, (row) => scores.base[row]!)),
    tuned_score: float64(Float64Array.from(rows, (row) => scores.tuned[row]!)),
    change: utf8(rows.map((_, at) => (at < broken ? "broken" : "fixed")))
  }
  const facts = {
    rows: rows.length,
    labels: base.kind === "value" ? null : base.names,
    fixed: rows.length - broken,
    broken
  }
  return writeTable(folder, file, columns, { facts })
}

/** [N] the probability given to what is true of a row; of several labels the geometric mean over them. */
const truthScores = (scored: Scored): Float64Array => {
  switch (scored.kind) {
    case "classes":
      return scoresOf(scored, scored.labels)
    case "several":
      return severalLosses({ ...scored, labels: scored.names.length }, scored.scores).map((loss) => Math.exp(-loss))
    case "value":
      return new Float64Array(scored.rowIds.length)
  }
}

const truthColumn = (scored: Scored, rows: ReadonlyArray<number>): Column =>
  scored.kind === "classes"
    ? labels(
        Int32Array.from(rows, (row) => scored.labels[row]!),
        labelDictionary(scored.names)
      )
    : utf8(rows.map((row) => truthOf(scored, row)))
