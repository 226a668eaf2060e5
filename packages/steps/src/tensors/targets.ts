import { StageError } from "@hone/core/Stage"
import type { Feed } from "@hone/nn"
import type { Table } from "apache-arrow"
import { Effect } from "effect"
import { typeName } from "../arrow/digest.ts"
import { declaredLabels, float64s, labelColumn, textLists } from "../arrow/reader.ts"
import { type TargetKind, targetKindOf, VALUE } from "./outputs.ts"
import { sample } from "./tokens.ts"

/** What rows are to be predicted as, by the type of their `label` column. */
export type Targets =
  /** [rows] index into the head's labels */
  | { readonly kind: "classes"; readonly classes: Int32Array }
  /** [rows, labels] row-major, 1 where a label holds of a row, else 0 */
  | { readonly kind: "several"; readonly values: Float32Array; readonly labels: number }
  /** [rows] */
  | { readonly kind: "value"; readonly values: Float64Array }

export interface LabelledRows {
  readonly table: Table
  readonly rowIds: ReadonlyArray<string>
}

const kindOf = (table: Table): TargetKind => {
  const column = table.getChild("label")
  if (column === null) throw new TypeError('there is no column "label"')
  return targetKindOf(typeName(column.type))
}

/** The task that rows with such a label column are for. */
export const taskOf = (table: Table): string =>
  ({
    value: "text-regression",
    several: "multi-label-classification",
    classes: table.getChild("text_b") === null ? "text-classification" : "pair-classification"
  })[kindOf(table)]

/** Names of what a head for these rows gives, in the order of its logits. */
export const outputNames = (table: Table): ReadonlyArray<string> => {
  switch (kindOf(table)) {
    case "value":
      return [VALUE]
    case "several":
      return declaredLabels(table) ?? [...new Set(textLists(table, "label").flat())].sort()
    case "classes":
      return labelColumn(table, "label").names
  }
}

/**
 * The targets of rows in the order of a head's labels. Fails by StageError `unknown_labels` for rows with a label that the head lacks,
 * `task_mismatch` where rows and head are for different tasks.
 */
export const readTargets = (
  rows: LabelledRows,
  labels: ReadonlyArray<string>,
  port: string
): Effect.Effect<Targets, StageError> => {
  const kind = kindOf(rows.table)
  const ofValue = labels.length === 1 && labels[0] === VALUE
  if ((kind === "value") !== ofValue) return Effect.fail(mismatch(port, kind, labels))
  switch (kind) {
    case "value":
      return Effect.succeed({ kind, values: float64s(rows.table, "label") })
    case "several":
      return severalTargets(rows, labels, port)
    case "classes":
      return classTargets(rows, labels, port)
  }
}

const mismatch = (port: string, kind: TargetKind, labels: ReadonlyArray<string>): StageError =>
  new StageError({
    code: "task_mismatch",
    message:
      kind === "value"
        ? `the rows at \`${port}\` are labelled with numbers, and the model predicts ${labels.join(", ")}`
        : `the model predicts a number, and the rows at \`${port}\` are labelled with names`,
    hint: "take rows for the task that the model was trained for"
  })

const classTargets = (rows: LabelledRows, labels: ReadonlyArray<string>, port: string) => {
  const column = labelColumn(rows.table, "label")
  const place = column.names.map((name) => labels.indexOf(name))
  const classes = column.indices.map((index) => place[index]!)
  const unknown = rows.rowIds.filter((_, row) => classes[row] === -1)
  const names = column.names.filter((_, index) => place[index] === -1 && column.indices.includes(index))
  return unknown.length === 0
    ? Effect.succeed({ kind: "classes", classes } as const)
    : Effect.fail(unknownLabels(port, unknown, names, labels))
}

const severalTargets = (rows: LabelledRows, labels: ReadonlyArray<string>, port: string) => {
  const lists = textLists(rows.table, "label")
  const place = new Map(labels.map((name, at) => [name, at]))
  const unknown = rows.rowIds.filter((_, row) => lists[row]!.some((name) => !place.has(name)))
  if (unknown.length > 0) {
    const names = [...new Set(lists.flat())].filter((name) => !place.has(name)).sort()
    return Effect.fail(unknownLabels(port, unknown, names, labels))
  }
  const values = new Float32Array(lists.length * labels.length)
  lists.forEach((names, row) => names.forEach((name) => (values[row * labels.length + place.get(name)!] = 1)))
  return Effect.succeed({ kind: "several", values, labels: labels.length } as const)
}

const unknownLabels = (
  port: string,
  row_ids: ReadonlyArray<string>,
  names: ReadonlyArray<string>,
  labels: ReadonlyArray<string>
): StageError =>
  new StageError({
    code: "unknown_labels",
    message: `${row_ids.length} rows at \`${port}\` have labels that the model does not know (${names.join(", ")}): ${sample(row_ids)}`,
    hint: `the model knows ${labels.join(", ")}; take rows with these labels, or train on all of them`,
    row_ids
  })

/** The targets of some rows as a program takes them: int32 [rows], float32 [rows, labels], float32 [rows]. */
export const targetFeed = (targets: Targets, rows: ReadonlyArray<number>): Feed => {
  switch (targets.kind) {
    case "classes":
      return Int32Array.from(rows, (row) => targets.classes[row]!)
    case "value":
      return Float32Array.from(rows, (row) => targets.values[row]!)
    case "several": {
      const { labels, values } = targets
      const data = new Float32Array(rows.length * labels)
      rows.forEach((row, at) => data.set(values.subarray(row * labels, (row + 1) * labels), at * labels))
      return { data, shape: [rows.length, labels] }
    }
  }
}
