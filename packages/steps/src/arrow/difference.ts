import type { Table } from "apache-arrow"
import { typeName } from "./digest.ts"

/** Where two tables first differ, and by how much their numbers do. */
export interface Difference {
  readonly column: string
  /** -1 where the columns themselves differ: one is absent, or of another type, or longer. */
  readonly row: number
  readonly first: string
  readonly second: string
  /** Largest |a - b| / max(1, |a|) over all numbers of all columns; undefined where none can be compared. */
  readonly relative: number | undefined
}

const show = (value: unknown): string => {
  const text = value === null || typeof value !== "object" ? String(value) : String(value)
  return text.length > 40 ? `${text.slice(0, 37)}...` : text
}

const numbersOf = (value: unknown): ArrayLike<number> | undefined => {
  if (typeof value === "number") return [value]
  const list = value as { toArray?: () => unknown } | null
  const array = typeof list?.toArray === "function" ? list.toArray() : undefined
  return array instanceof Float32Array || array instanceof Float64Array || array instanceof Int32Array
    ? array
    : undefined
}

const furthest = (a: unknown, b: unknown): number => {
  const [left, right] = [numbersOf(a), numbersOf(b)]
  if (left === undefined || right === undefined || left.length !== right.length) return 0
  let largest = 0
  for (let at = 0; at < left.length; at++) {
    largest = Math.max(largest, Math.abs(left[at]! - right[at]!) / Math.max(1, Math.abs(left[at]!)))
  }
  return largest
}

const bytes = (value: unknown): string =>
  value instanceof Uint8Array ? Buffer.from(value).toString("base64") : String(value)

/** The first column and row in which two tables differ; undefined where they hold the same. */
export const firstDifference = (first: Table, second: Table): Difference | undefined => {
  let found: Omit<Difference, "relative"> | undefined
  let relative: number | undefined
  const names = new Set([...first.schema.names, ...second.schema.names].map(String))
  for (const column of names) {
    const [a, b] = [first.getChild(column), second.getChild(column)]
    const [left, right] = [a, b].map((vector) =>
      vector === null ? "absent" : `${typeName(vector.type)} of ${vector.length} rows`
    )
    if (a === null || b === null || left !== right) {
      found ??= { column, row: -1, first: left!, second: right! }
      continue
    }
    for (let row = 0; row < a.length; row++) {
      const [x, y] = [a.get(row) as unknown, b.get(row) as unknown]
      if (bytes(x) === bytes(y)) continue
      found ??= { column, row, first: show(x), second: show(y) }
      relative = Math.max(relative ?? 0, furthest(x, y))
    }
  }
  return found === undefined ? undefined : { ...found, relative }
}
