import { StageError } from "@hone/core/Stage"
import type { Table } from "apache-arrow"
import { typeName } from "../arrow/digest.ts"
import { labelColumn, nullableStrings } from "../arrow/reader.ts"
import { rangeOf } from "../where/range.ts"
import { predicateOf, RowFault } from "../where/where.ts"
import { isShare, type SplitParams } from "./params.ts"
import { TEST, TRAIN, VALIDATION } from "./split.ts"

/** A row whose side is drawn. */
export const FREE = 255

const sideOfName: Readonly<Record<string, number>> = {
  train: TRAIN,
  training: TRAIN,
  validation: VALIDATION,
  valid: VALIDATION,
  val: VALIDATION,
  dev: VALIDATION,
  test: TEST
}

/**
 * The sides that the file gives: by a column, an expression or a position; FREE where a side is still to be drawn. Rows that a
 * column puts into train are free where a share is drawn beside it.
 */
export const givenSides = (table: Table, params: SplitParams): Uint8Array => {
  const sides = new Uint8Array(table.numRows).fill(FREE)
  if (params.by !== undefined) takeColumn(table, params.by, sides)
  for (const [part, side] of [
    ["validation", VALIDATION],
    ["test", TEST]
  ] as const) {
    const named = params[part]
    if (isShare(named)) continue
    const members = "where" in named ? matching(table, named.where, part) : inRange(table.numRows, named.rows)
    for (const row of members) {
      if (sides[row] !== FREE && sides[row] !== TRAIN) throw overlap(part, row)
      sides[row] = side
    }
  }
  const isDrawn =
    params.folds !== undefined || [params.validation, params.test].some((part) => isShare(part) && part !== 0)
  return params.by !== undefined && isDrawn ? sides.map((side) => (side === TRAIN ? FREE : side)) : sides
}

const overlap = (part: string, row: number): StageError =>
  new StageError({
    code: "overlapping_parts",
    message: `row ${row} is meant for ${part} and for another part`,
    hint: "mend where, rows or by, so that each row is named once"
  })

const takeColumn = (table: Table, by: string, sides: Uint8Array): void => {
  const names = textsOf(table, by)
  const unknown = new Map<string, number>()
  names.forEach((name, row) => {
    const side = sideOfName[name?.trim().toLowerCase() ?? ""]
    if (side === undefined) unknown.set(name ?? "(nothing)", (unknown.get(name ?? "(nothing)") ?? 0) + 1)
    else sides[row] = side
  })
  if (unknown.size === 0) return
  const found = [...unknown].slice(0, 5).map(([name, count]) => `"${name}" (${count} rows)`)
  throw new StageError({
    code: "unknown_part",
    message: `column "${by}" names parts that are none: ${found.join(", ")}${unknown.size > 5 ? `, and ${unknown.size - 5} more` : ""}`,
    hint: "its values are train, validation (valid, val, dev) and test; others can be left out when ingesting, by where"
  })
}

const textsOf = (table: Table, name: string): ReadonlyArray<string | null> => {
  if (typeName(table.getChild(name)!.type) !== "dictionary<utf8>") return nullableStrings(table, name)
  const { indices, names } = labelColumn(table, name)
  return Array.from(indices, (index) => names[index]!)
}

const matching = (table: Table, where: string, part: string): ReadonlyArray<number> => {
  const holds = predicateOf(where)
  const columns = new Map(table.schema.fields.map(({ name }) => [name, table.getChild(name)!]))
  const found: Array<number> = []
  for (let row = 0; row < table.numRows; row++) {
    try {
      if (holds((name) => valueOf(columns.get(name)?.get(row)))) found.push(row)
    } catch (error) {
      if (!(error instanceof RowFault)) throw error
      throw new StageError({
        code: "bad_row",
        message: `${part}: row ${row}: ${error.message}`,
        hint: "mend the expression, or leave such rows out when ingesting"
      })
    }
  }
  return found
}

/** An Arrow value as the language has it: lists come as vectors. */
const valueOf = (value: unknown): unknown =>
  typeof value === "object" && value !== null && Symbol.iterator in value
    ? Array.from(value as Iterable<unknown>)
    : value

const inRange = (rows: number, text: string): ReadonlyArray<number> => {
  const { end, start } = rangeOf(text)!
  return Array.from({ length: Math.max(0, Math.min(end, rows) - start) }, (_, at) => start + at)
}
