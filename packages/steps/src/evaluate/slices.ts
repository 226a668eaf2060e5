import type { Table } from "apache-arrow"
import { typeName } from "../arrow/digest.ts"
import { float64s, int32s, labelColumn, nullableStrings } from "../arrow/reader.ts"
import { quantile } from "../statistics/bootstrap.ts"

/** Some rows, by what they have in common. */
export interface Slice {
  /** `genre = drama`, `length 12 to 30` */
  readonly name: string
  readonly rowIds: ReadonlySet<string>
}

/** More values than this of one column are too many to read: the largest are kept. */
const MOST_VALUES = 20
/** Numbers are cut into this many parts of about equal size. */
const PARTS = 4

/**
 * The slices of a column: a part for each value of texts, parts of about equal size by rank for numbers (equal numbers stay together).
 * Nothing for a column that is neither.
 */
export const slicesOf = (table: Table, rowIds: ReadonlyArray<string>, column: string): ReadonlyArray<Slice> => {
  const type = typeName(table.getChild(column)!.type)
  if (type === "int32") return parts(column, Float64Array.from(int32s(table, column)), rowIds)
  if (type === "float64") return parts(column, float64s(table, column), rowIds)
  if (type === "utf8") return values(column, nullableStrings(table, column), rowIds)
  if (type !== "dictionary<utf8>") return []
  const { indices, names } = labelColumn(table, column)
  return values(
    column,
    Array.from(indices, (index) => names[index]!),
    rowIds
  )
}

const values = (
  column: string,
  given: ReadonlyArray<string | null>,
  rowIds: ReadonlyArray<string>
): ReadonlyArray<Slice> =>
  [...Map.groupBy(rowIds.keys(), (row) => given[row] ?? null)]
    .sort(([a, rows], [b, others]) => others.length - rows.length || ((a ?? "") < (b ?? "") ? -1 : 1))
    .slice(0, MOST_VALUES)
    .map(([value, rows]) => ({
      name: value === null ? `${column} is empty` : `${column} = ${value}`,
      rowIds: new Set(rows.map((row) => rowIds[row]!))
    }))

const parts = (column: string, given: Float64Array, rowIds: ReadonlyArray<string>): ReadonlyArray<Slice> => {
  const sorted = given.toSorted()
  const borders = [...new Set(Array.from({ length: PARTS }, (_, at) => quantile(sorted, (at + 1) / PARTS)))]
  const groups = Map.groupBy(rowIds.keys(), (row) => borders.findIndex((border) => given[row]! <= border))
  return borders.flatMap((_, at) => {
    const rows = groups.get(at)
    if (rows === undefined) return []
    const own = rows.map((row) => given[row]!)
    const [low, high] = [own.reduce((a, b) => Math.min(a, b)), own.reduce((a, b) => Math.max(a, b))]
    const name = low === high ? `${column} ${low}` : `${column} ${low} to ${high}`
    return [{ name, rowIds: new Set(rows.map((row) => rowIds[row]!)) }]
  })
}
