/** Rows with their predictions, as a file of them has them. All arrays have an element for each row. */
export interface PredictedRows {
  /** `id` from the input, as text, or `row`, counted from 1. */
  readonly id:
    | { readonly name: "id"; readonly values: ReadonlyArray<string> }
    | { readonly name: "row"; readonly values: ReadonlyArray<number> }
  /** Absent where the texts are not wanted. */
  readonly texts: ReadonlyArray<string | null> | undefined
  readonly labels: ReadonlyArray<string>
  /** Null for a row without a prediction. */
  readonly scores: ReadonlyArray<Float32Array | null>
}

/** The class of the highest score, the first of equals, as `evaluate` predicts. */
export const highest = (scores: Float32Array): number => {
  let best = 0
  for (let at = 1; at < scores.length; at++) if (scores[at]! > scores[best]!) best = at
  return best
}

/** A column of a table file. */
export type TableColumn =
  | {
      readonly name: string
      readonly type: "text"
      readonly nullable: boolean
      readonly values: ReadonlyArray<string | null>
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

/** The columns in their order: `id` or `row`, `text`, `predicted`, `score`, and `score_LABEL` for each label. */
export const columnsOf = ({ id, labels, scores, texts }: PredictedRows): ReadonlyArray<TableColumn> => {
  const best = scores.map((row) => (row === null ? null : highest(row)))
  const number = (name: string, of: (row: Float32Array, at: number) => number): TableColumn => ({
    name,
    type: "number",
    nullable: true,
    values: scores.map((row, at) => (row === null ? null : of(row, at)))
  })
  return [
    id.name === "id"
      ? { name: "id", type: "text", nullable: false, values: id.values }
      : { name: "row", type: "integer", nullable: false, values: id.values },
    ...(texts === undefined ? [] : [{ name: "text", type: "text", nullable: true, values: texts } as const]),
    {
      name: "predicted",
      type: "text",
      nullable: true,
      values: best.map((label) => (label === null ? null : labels[label]!))
    },
    number("score", (row, at) => row[best[at]!]!),
    ...labels.map((label, place) => number(`score_${label}`, (row) => row[place]!))
  ]
}
