import type { TargetKind } from "../tensors/outputs.ts"

/** Rows with their predictions, as a file of them has them. All arrays have an element for each row. */
export interface PredictedRows {
  /** `id` from the input, as text, or `row`, counted from 1. */
  readonly id:
    | { readonly name: "id"; readonly values: ReadonlyArray<string> }
    | { readonly name: "row"; readonly values: ReadonlyArray<number> }
  /** By column name: `text`, or `text_a` and `text_b`. None where the texts are not wanted. */
  readonly texts: ReadonlyArray<{ readonly name: string; readonly values: ReadonlyArray<string | null> }>
  readonly kind: TargetKind
  readonly labels: ReadonlyArray<string>
  /** The probability of each label, or the number of a regression; null for a row without a prediction. */
  readonly scores: ReadonlyArray<Float32Array | null>
}

/** Of several labels, those from this probability on hold, as in `evaluate`. */
const THRESHOLD = 0.5

/** The class of the highest score, the first of equals, as `evaluate` predicts. */
const highest = (scores: Float32Array): number => {
  let best = 0
  for (let at = 1; at < scores.length; at++) if (scores[at]! > scores[best]!) best = at
  return best
}

/** The labels that a row is given: one class, or those that hold; none by a regression. */
export const labelsGiven = (
  kind: TargetKind,
  labels: ReadonlyArray<string>,
  scores: Float32Array
): ReadonlyArray<string> => {
  if (kind === "value") return []
  return kind === "classes" ? [labels[highest(scores)]!] : labels.filter((_, at) => scores[at]! >= THRESHOLD)
}

/** A column of a table file. Lists are JSON text there, which `ingest` reads as lists. */
export type TableColumn =
  | {
      readonly name: string
      readonly type: "text"
      readonly nullable: boolean
      readonly values: ReadonlyArray<string | null>
    }
  | {
      readonly name: string
      readonly type: "list"
      readonly nullable: true
      readonly values: ReadonlyArray<ReadonlyArray<string> | null>
    }
  | {
      readonly name: string
      readonly type: "integer"
      readonly nullable: false
      readonly values: ReadonlyArray<number>
    }
  | {
      readonly name: string
      readonly type: "number"
      readonly nullable: true
      readonly values: ReadonlyArray<number | null>
    }

/** Score columns of labels begin so; JSON lines have one object instead. */
export const SCORE = "score_"

/**
 * The columns in their order: `id` or `row`, texts, `predicted`; then of a class its `score`, and of classes and labels each
 * `score_LABEL`.
 */
export const columnsOf = (rows: PredictedRows): ReadonlyArray<TableColumn> => [
  rows.id.name === "id"
    ? { name: "id", type: "text", nullable: false, values: rows.id.values }
    : { name: "row", type: "integer", nullable: false, values: rows.id.values },
  ...rows.texts.map(({ name, values }) => ({ name, type: "text", nullable: true, values }) as const),
  ...said(rows)
]

const said = ({ kind, labels, scores }: PredictedRows): ReadonlyArray<TableColumn> => {
  const number = (name: string, of: (row: Float32Array) => number): TableColumn => ({
    name,
    type: "number",
    nullable: true,
    values: scores.map((row) => (row === null ? null : of(row)))
  })
  if (kind === "value") return [number("predicted", (row) => row[0]!)]
  const given = scores.map((row) => (row === null ? null : labelsGiven(kind, labels, row)))
  const each = labels.map((label, at) => number(`${SCORE}${label}`, (row) => row[at]!))
  if (kind === "several") return [{ name: "predicted", type: "list", nullable: true, values: given }, ...each]
  const predicted = given.map((names) => names?.[0] ?? null)
  return [
    { name: "predicted", type: "text", nullable: true, values: predicted },
    number("score", (row) => row[highest(row)]!),
    ...each
  ]
}
