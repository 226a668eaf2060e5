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
      if (this.#open) rows.push(parseRow(this.#pending + text.slice(from, end), this.#openLine))
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

/** One row from the text of a JSON value. */
export const parseRow = (text: string, line: number): SourceRow => {
  try {
    const value = suspicious.test(text) ? parseExactly(text) : (JSON.parse(text) as unknown)
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return { line, values: value as Record<string, unknown> }
    }
    return { line, fault: "not a JSON object" }
  } catch (error) {
    if (error instanceof Inexact) return { line, fault: error.message }
    const message = error instanceof RangeError ? "it is nested too deeply" : (error as Error).message
    return { line, fault: `not JSON: ${message}` }
  }
}

/** JSON that is read as something else than it says, without a word from `JSON.parse`. */
class Inexact extends Error {}

/** Rows that may hold such, told cheaply: sixteen digits in a row, an exponent of three, an escaped surrogate. */
const suspicious = /\d{16}|[eE]\+?\d{3}|\\u[dD][89a-fA-F]/u

const isWhole = /^-?\d+$/u

const parseExactly = (text: string): unknown =>
  JSON.parse(text, (key: string, value: unknown, context?: { readonly source?: string }) => {
    const half = "half of a surrogate pair is not text"
    if (!key.isWellFormed()) throw new Inexact(half)
    if (typeof value === "string" && !value.isWellFormed()) throw new Inexact(`"${key}" is no text: ${half}`)
    if (typeof value !== "number" || context?.source === undefined) return value
    if (!Number.isFinite(value))
      throw new Inexact(`"${key}" is a number too large to be read: ${shown(context.source)}`)
    if (isWhole.test(context.source) && !Number.isSafeInteger(value))
      throw new Inexact(
        `"${key}" is an integer beyond 2^53, which loses digits: write ${shown(context.source)} in quotes`
      )
    return value
  })

const shown = (source: string): string => (source.length > 40 ? `${source.slice(0, 37)}...` : source)
