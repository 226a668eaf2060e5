import { LONGEST_RECORD, tooLong } from "./longestRecord.ts"
import type { SourceRow } from "./readers.ts"

const QUOTE = 34
const BACKSLASH = 92

/**
 * Cuts the elements out of one JSON array without holding more than one of them: a top-level array, or the one array that a
 * top-level object holds. Only brackets and strings are followed here; `JSON.parse` judges each element, which keeps the faults
 * exact and knows on which line each element begins.
 */
export class JsonArraySplitter {
  /** Brackets open around the current character. */
  #depth = 0
  /** Brackets around an element, once the array is found: 1, or 2 within an object. */
  #rowsDepth = 0
  #inRows = false
  #arrays = 0
  #inString = false
  #escaped = false
  #open = false
  #openLine = 1
  #pending = ""
  #line = 1
  #ended = false

  readonly #columns: ReadonlyArray<string> | undefined

  /** `columns` are those that are read; undefined: any may be. */
  constructor(columns?: ReadonlyArray<string>) {
    this.#columns = columns
  }

  /** Whether the structure is at fault, so that nothing after it can be read. */
  broken = false

  get line(): number {
    return this.#line
  }

  /** The rows that end within `text`. A fault of the structure is the last of them. */
  feed(text: string): ReadonlyArray<SourceRow> {
    const rows: Array<SourceRow> = []
    let from = 0
    const close = (end: number) => {
      if (this.#open) rows.push(parseRow(this.#pending + text.slice(from, end), this.#openLine, this.#columns))
      this.#pending = ""
      this.#open = false
    }
    for (let at = 0; at < text.length; at++) {
      if (this.#inString) {
        at = this.#skipString(text, at)
        continue
      }
      const code = text.charCodeAt(at)
      if (code === 10) this.#line++
      if (code <= 32) continue
      if (this.#ended) return [...rows, this.#broke("text follows the end of the JSON value")]
      const character = text[at]
      const between = this.#inRows && this.#depth === this.#rowsDepth
      if (between && character === ",") close(at)
      else if (between && character === "]") {
        close(at)
        this.#inRows = false
        this.#shut()
      } else {
        if (between && !this.#open) {
          this.#open = true
          this.#openLine = this.#line
          from = at
        }
        const fault = this.#step(code, character!)
        if (fault !== undefined) return [...rows, this.#broke(fault)]
      }
    }
    if (this.#open) this.#pending += text.slice(from)
    return this.#pending.length > LONGEST_RECORD ? [...rows, this.#broke(tooLong("the element"))] : rows
  }

  /** What is wrong when the text ends here, if anything is. */
  end(): ReadonlyArray<SourceRow> {
    if (!this.#ended) return [this.#broke("the file ends within a JSON value: it was cut off")]
    return this.#arrays === 0 ? [this.#broke("the JSON object holds no array of rows")] : []
  }

  #broke(fault: string): SourceRow {
    this.broken = true
    return { line: this.#line, fault, isEnd: true }
  }

  /** The place of the quote that closes the string around `from`, or the end of the text. */
  #skipString(text: string, from: number): number {
    let start = this.#escaped ? from + 1 : from
    for (;;) {
      const quote = text.indexOf('"', start)
      const end = quote < 0 ? text.length : quote
      let slashes = 0
      while (end - slashes > start && text.charCodeAt(end - slashes - 1) === BACKSLASH) slashes++
      this.#escaped = quote < 0 && slashes % 2 === 1
      if (quote < 0) return end
      if (slashes % 2 === 0) {
        this.#inString = false
        return quote
      }
      start = quote + 1
    }
  }

  #step(code: number, character: string): string | undefined {
    if (code === QUOTE) this.#inString = true
    else if (character === "[" || character === "{") return this.#enter(character)
    else if (character === "]" || character === "}") this.#shut()
    return this.#depth === 0 && !this.#ended
      ? "neither a JSON array of objects nor an object that holds one"
      : undefined
  }

  #enter(bracket: string): string | undefined {
    const isTopLevelArray = this.#depth === 0 && bracket === "["
    const isMemberArray = this.#depth === 1 && this.#rowsDepth !== 1 && bracket === "["
    this.#depth++
    if (!isTopLevelArray && !isMemberArray) return undefined
    if (++this.#arrays > 1) return "the JSON object holds more than one array: which are the rows?"
    this.#rowsDepth = this.#depth
    this.#inRows = true
    return undefined
  }

  #shut(): void {
    this.#depth--
    if (this.#depth <= 0) this.#ended = true
  }
}

/** One row from the text of a JSON value. `columns` are those that are read: what JSON changes in others counts for nothing. */
export const parseRow = (text: string, line: number, columns?: ReadonlyArray<string>): SourceRow => {
  try {
    const value = JSON.parse(text) as unknown
    if (typeof value !== "object" || value === null || Array.isArray(value)) return { line, fault: "not a JSON object" }
    const fault = inexactness(text, value as Record<string, unknown>, columns)
    return fault === undefined ? { line, values: value as Record<string, unknown> } : { line, fault }
  } catch (error) {
    const message = error instanceof RangeError ? "it is nested too deeply" : (error as Error).message
    return { line, fault: `not JSON: ${message}` }
  }
}

const half = "half of a surrogate pair is not text"

/** What `JSON.parse` read as something else than the text says, without a word. */
const inexactness = (
  text: string,
  row: Readonly<Record<string, unknown>>,
  columns: ReadonlyArray<string> | undefined
): string | undefined => {
  const keys = Object.keys(row)
  for (const key of keys) if (!key.isWellFormed()) return half
  for (const column of columns ?? keys) {
    if (!mayBeInexact(row[column])) continue
    // Only the text tells a whole number from another of the same value; reading it so takes several times as long.
    const found = firstInexact((JSON.parse(text, marked) as Record<string, unknown>)[column])
    if (found !== undefined) return found
  }
  return undefined
}

/** Told by values alone: a number from 2^53 on, or half a surrogate pair, however deep. */
const mayBeInexact = (value: unknown): boolean => {
  if (typeof value === "string") return !value.isWellFormed()
  if (typeof value === "number") return Math.abs(value) > Number.MAX_SAFE_INTEGER
  if (typeof value !== "object" || value === null) return false
  if (Array.isArray(value)) return value.some(mayBeInexact)
  return Object.entries(value).some(([key, inner]) => !key.isWellFormed() || mayBeInexact(inner))
}

/** Stands in the place of a value that is not what the text says. */
class Inexact {
  readonly fault: string

  constructor(fault: string) {
    this.fault = fault
  }
}

const isWhole = /^-?\d+$/u

const marked = (key: string, value: unknown, context?: { readonly source?: string }): unknown => {
  if (!key.isWellFormed()) return new Inexact(half)
  if (typeof value === "string" && !value.isWellFormed()) return new Inexact(`"${key}" is no text: ${half}`)
  if (typeof value !== "number" || context?.source === undefined) return value
  if (!Number.isFinite(value)) return new Inexact(`"${key}" is a number too large to be read: ${shown(context.source)}`)
  if (!isWhole.test(context.source) || Number.isSafeInteger(value)) return value
  return new Inexact(`"${key}" is an integer beyond 2^53, which loses digits: write ${shown(context.source)} in quotes`)
}

const firstInexact = (value: unknown): string | undefined => {
  if (value instanceof Inexact) return value.fault
  if (typeof value !== "object" || value === null) return undefined
  for (const inner of Object.values(value)) {
    const fault = firstInexact(inner)
    if (fault !== undefined) return fault
  }
  return undefined
}

const shown = (source: string): string => (source.length > 40 ? `${source.slice(0, 37)}...` : source)
