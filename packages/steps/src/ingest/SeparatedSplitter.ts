import { LONGEST_RECORD, tooLong } from "./longestRecord.ts"

/** A record of a CSV or TSV file, or what is wrong with it. `line` is where it begins, from 1. After `isEnd` nothing can be read. */
export type SeparatedRecord =
  | { readonly line: number; readonly fields: ReadonlyArray<string>; readonly fault?: undefined }
  | { readonly line: number; readonly fault: string; readonly isEnd: true; readonly fields?: undefined }

/**
 * Cuts CSV or TSV text into records without holding more than a chunk and a record. RFC 4180: a field in quotes may hold
 * separators, line ends and doubled quotes. Beyond it: `\n` alone ends a line, empty lines are skipped, and a quote within an
 * unquoted field is a character like any other (`5" disk`), as Python's csv module has it.
 */
export class SeparatedSplitter {
  readonly #delimiter: string
  readonly #quote: string
  #rest = ""
  #line = 1
  /** Lines in front of the first record that are still to be passed over. */
  #skip: number
  /** Whether a quote is at fault, so that nothing after it can be read. */
  broken = false

  constructor(delimiter: string, quote = '"', skip = 0) {
    this.#delimiter = delimiter
    this.#quote = quote
    this.#skip = skip
  }

  get line(): number {
    return this.#line
  }

  /** The records that end within `text`. */
  feed(text: string): ReadonlyArray<SeparatedRecord> {
    return this.#split(this.#rest + text, false)
  }

  /** The last record, where no line end follows it. */
  end(): ReadonlyArray<SeparatedRecord> {
    return this.#split(this.#rest, true)
  }

  /** Where the text goes on behind the lines to pass over, as far as they are there. */
  #passOver(text: string): number {
    let start = 0
    for (; this.#skip > 0; this.#skip--) {
      const end = text.indexOf("\n", start)
      if (end < 0) return start
      this.#line++
      start = end + 1
    }
    return start
  }

  #split(text: string, isFinal: boolean): ReadonlyArray<SeparatedRecord> {
    const scanner = new Scanner(text, this.#delimiter, this.#quote, isFinal)
    const records: Array<SeparatedRecord> = []
    let start = this.#passOver(text)
    while (this.#skip === 0 && start < text.length) {
      const line = this.#line
      const end = scanner.record(start)
      if (end === undefined) break
      if (typeof end === "string") {
        this.broken = true
        return [...records, { line, fault: end, isEnd: true }]
      }
      this.#line += scanner.lines
      if (scanner.fields.length > 1 || scanner.fields[0] !== "" || scanner.isQuoted)
        records.push({ line, fields: scanner.fields })
      start = end
    }
    this.#rest = text.slice(start)
    if (this.#rest.length <= LONGEST_RECORD) return records
    this.broken = true
    return [...records, { line: this.#line, fault: tooLong("the record", ": is a quote not closed?"), isEnd: true }]
  }
}

/** Reads one record at a time from a text that may end within one. */
class Scanner {
  readonly #text: string
  readonly #delimiter: string
  readonly #quote: string
  readonly #isFinal: boolean
  /** The next separator and line end at or behind the place read, found again only when passed. */
  #separatorAt = -1
  #lineEndAt = -1
  fields: Array<string> = []
  /** Line ends that the record took, its own included. */
  lines = 0
  isQuoted = false

  constructor(text: string, delimiter: string, quote: string, isFinal: boolean) {
    this.#text = text
    this.#delimiter = delimiter
    this.#quote = quote
    this.#isFinal = isFinal
  }

  /** The place behind the record that begins at `start`; undefined where the text ends within it; a fault as a sentence. */
  record(start: number): number | string | undefined {
    this.fields = []
    this.lines = 0
    this.isQuoted = false
    let at = start
    for (;;) {
      const end = this.#text[at] === this.#quote ? this.#quoted(at) : this.#plain(at)
      if (typeof end !== "number") return end
      if (end === this.#text.length) return this.#isFinal ? end : undefined
      at = end + 1
      if (this.#text[end] !== "\n") continue
      this.lines++
      return at
    }
  }

  /** Takes a field without quotes; gives the place of the separator or line end behind it. */
  #plain(start: number): number {
    const end = Math.min(this.#separator(start), this.#lineEnd(start))
    const isLast = end === this.#text.length || this.#text[end] === "\n"
    const field = this.#text.slice(start, end)
    this.fields.push(isLast && field.endsWith("\r") ? field.slice(0, -1) : field)
    return end
  }

  #quoted(start: number): number | string | undefined {
    this.isQuoted = true
    let field = ""
    let from = start + 1
    for (;;) {
      const quote = this.#text.indexOf(this.#quote, from)
      if (quote < 0) return this.#isFinal ? "the quote that opens a field here is not closed" : undefined
      field += this.#text.slice(from, quote)
      if (this.#text[quote + 1] === this.#quote) {
        field += this.#quote
        from = quote + 2
        continue
      }
      return this.#closed(field, quote + 1)
    }
  }

  #closed(field: string, at: number): number | string | undefined {
    const end = this.#text[at] === "\r" && (at + 1 === this.#text.length || this.#text[at + 1] === "\n") ? at + 1 : at
    if (end === this.#text.length && !this.#isFinal) return undefined
    const next = this.#text[end]
    if (next !== undefined && next !== "\n" && next !== this.#delimiter)
      return "text follows the closing quote of a field"
    for (let newline = field.indexOf("\n"); newline >= 0; newline = field.indexOf("\n", newline + 1)) this.lines++
    this.fields.push(field)
    return end
  }

  #separator(from: number): number {
    if (this.#separatorAt < from) this.#separatorAt = this.#find(this.#delimiter, from)
    return this.#separatorAt
  }

  #lineEnd(from: number): number {
    if (this.#lineEndAt < from) this.#lineEndAt = this.#find("\n", from)
    return this.#lineEndAt
  }

  #find(character: string, from: number): number {
    const place = this.#text.indexOf(character, from)
    return place < 0 ? this.#text.length : place
  }
}

/** The names of a header line. */
export const headerNames = (fields: ReadonlyArray<string>): ReadonlyArray<string> => fields.map((name) => name.trim())
