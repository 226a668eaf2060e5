import type { JsonObject } from "@hone/core/Json"
import type { Table } from "apache-arrow"
import { float64s, int32s, type LabelColumn, labelColumn, textLists } from "../arrow/reader.ts"
import { typeName } from "../arrow/digest.ts"

/** The facts of some rows of a table that has `facts`: what counts rows is counted anew, the rest is theirs. */
export const partFacts = (facts: JsonObject, table: Table, rows: Int32Array): JsonObject => ({
  ...facts,
  rows: rows.length,
  ...labelCounts(facts, table, rows),
  ...lengthFacts(table, rows)
})

const has = (table: Table, name: string, type: string): boolean => {
  const column = table.getChild(name)
  return column !== null && typeName(column.type) === type
}

const labelCounts = (facts: JsonObject, table: Table, rows: Int32Array): JsonObject => {
  if (has(table, "label", "float64")) return { target: spreadOf(float64s(table, "label"), rows) }
  const isList = has(table, "label", "list<utf8>")
  if (!isList && !has(table, "label", "dictionary<utf8>")) return {}
  const counts = isList ? countNames(textLists(table, "label"), rows) : countLabels(labelColumn(table, "label"), rows)
  const order = Array.isArray(facts["labels"]) ? (facts["labels"] as ReadonlyArray<string>) : Object.keys(counts)
  return { counts: Object.fromEntries(order.map((label) => [label, counts[label] ?? 0])) }
}

const countNames = (lists: ReadonlyArray<ReadonlyArray<string>>, rows: Iterable<number>): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const row of rows) for (const name of lists[row]!) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

/** Mean, standard deviation (of the population) and range of the targets of some rows; null where there are none. */
const spreadOf = (targets: Float64Array, rows: Int32Array): JsonObject | null => {
  if (rows.length === 0) return null
  const values = Array.from(rows, (row) => targets[row]!)
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const [min, max] = values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)] as const, [
    Infinity,
    -Infinity
  ] as const)
  return { mean, sd: Math.sqrt(squares / values.length), min, max }
}

/** How many of the rows have each label; labels that none has count 0. */
export const countLabels = ({ indices, names }: LabelColumn, rows: Iterable<number>): Record<string, number> => {
  const counts = names.map(() => 0)
  for (const row of rows) counts[indices[row]!]!++
  return Object.fromEntries(names.map((name, at) => [name, counts[at]!]))
}

const lengthFacts = (table: Table, rows: Int32Array): JsonObject => {
  if (!has(table, "length", "int32")) return {}
  const lengths = int32s(table, "length")
  let tokens = 0
  let longest = 0
  for (const row of rows) {
    tokens += lengths[row]!
    longest = Math.max(longest, lengths[row]!)
  }
  return { tokens, longest }
}
