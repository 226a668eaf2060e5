import { type Column, int32, nullableFloat64, nullableUtf8, utf8 } from "../arrow/columns.ts"

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

export type FlatColumn = Exclude<TableColumn, { readonly type: "list" }>

/** A list as JSON text. */
export const flattened = (column: TableColumn): FlatColumn =>
  column.type === "list"
    ? { ...column, type: "text", values: column.values.map((list) => (list === null ? null : JSON.stringify(list))) }
    : column

const field = (text: string): string => (/[",\r\n]/u.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

export interface SeparatedOptions {
  readonly withHeader: boolean
  readonly numberText?: (value: number) => string
}

/** RFC 4180 with line feeds: a field with a comma, a quote or a line end is quoted; null is an empty field. */
export const separated = (
  columns: ReadonlyArray<TableColumn>,
  { numberText = String, withHeader }: SeparatedOptions
): string => {
  const flat = columns.map(flattened)
  const text = (value: string | number | null | undefined) =>
    value == null ? "" : field(typeof value === "number" ? numberText(value) : value)
  const lines = Array.from({ length: flat[0]?.values.length ?? 0 }, (_, row) =>
    flat.map(({ values }) => text(values[row])).join(",")
  )
  const header = withHeader ? [flat.map(({ name }) => field(name)).join(",")] : []
  return [...header, ...lines].map((line) => `${line}\n`).join("")
}

const arrowColumn = ({ nullable, type, values }: FlatColumn): Column => {
  if (type === "integer") return int32(Int32Array.from(values))
  if (type === "number") return nullableFloat64(values)
  return nullable ? nullableUtf8(values) : utf8(values as ReadonlyArray<string>)
}

/** The columns as Arrow has them, by name. */
export const arrowColumns = (columns: ReadonlyArray<TableColumn>): Readonly<Record<string, Column>> =>
  Object.fromEntries(columns.map((column) => [column.name, arrowColumn(flattened(column))]))
