import { decide, type Thresholds } from "../evaluate/decide.ts"
import type { TableColumn } from "../tables/columns.ts"
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
  /** What decides instead of the highest score, or of a half. */
  readonly thresholds?: Thresholds | undefined
  /** The probability of each label, or the number of a regression; null for a row without a prediction. */
  readonly scores: ReadonlyArray<Float32Array | null>
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

const said = ({ kind, labels, scores, thresholds }: PredictedRows): ReadonlyArray<TableColumn> => {
  const number = (name: string, of: (row: Float32Array) => number): TableColumn => ({
    name,
    type: "number",
    nullable: true,
    values: scores.map((row) => (row === null ? null : of(row)))
  })
  if (kind === "value") return [number("predicted", (row) => row[0]!)]
  const given = scores.map((row) => (row === null ? null : decide(kind, labels, row, thresholds)))
  const each = labels.map((label, at) => number(`${SCORE}${label}`, (row) => row[at]!))
  if (kind === "several") {
    const names = given.map((places) => places?.map((at) => labels[at]!) ?? null)
    return [{ name: "predicted", type: "list", nullable: true, values: names }, ...each]
  }
  const values = scores.map((row, at) => (row === null ? null : row[given[at]![0]!]!))
  const predicted = given.map((places) => (places === null ? null : labels[places[0]!]!))
  return [
    { name: "predicted", type: "text", nullable: true, values: predicted },
    { name: "score", type: "number", nullable: true, values },
    ...each
  ]
}
