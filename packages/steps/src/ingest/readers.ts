import { isUtf8 } from "node:buffer"
import type { Encoding } from "./dialect.ts"
import type { Format } from "./format.ts"
import { JsonArraySplitter, parseRow } from "./JsonArraySplitter.ts"
import { LONGEST_RECORD, tooLong } from "./longestRecord.ts"
import { headerNames, type SeparatedRecord, SeparatedSplitter } from "./SeparatedSplitter.ts"

/** A row of a source by its own column names, or what is wrong with it. `line` is where it begins, from 1. After `isEnd` nothing of the file can be read. */
export type SourceRow =
  | { readonly line: number; readonly values: Readonly<Record<string, unknown>>; readonly fault?: undefined }
  | { readonly line: number; readonly fault: string; readonly isEnd?: true; readonly values?: undefined }

/** How the text of a file is read. */
export interface Dialect {
  readonly encoding: Encoding
  readonly delimiter: string
  readonly quote: string
  /** Lines above the header of CSV. */
  readonly skipLines: number
}

export type TextFormat = Exclude<Format, "parquet" | "arrow" | "folder">

/**
 * The rows of a file as its bytes come, as many at once as a chunk holds; no more than a chunk and a row are held. A row that
 * cannot be read is given as a fault and reading goes on where the format allows it. Failures of `chunks` pass through. `columns` are
 * those that are read: of the others, a value that JSON cannot hold is no fault. Undefined: any may be read.
 */
export const readRows = (
  format: Exclude<TextFormat, "text">,
  chunks: AsyncIterable<Uint8Array>,
  dialect: Dialect,
  columns?: ReadonlyArray<string>
): AsyncGenerator<ReadonlyArray<SourceRow>> => {
  if (format === "jsonl") return readLines(chunks, dialect, (text, line) => parseRow(text, line, columns))
  if (format === "json") return readJsonArray(chunks, dialect, columns)
  return readSeparated(chunks, dialect)
}

class Undecodable extends Error {}

/** Text without a byte order mark. Fails by Undecodable after the last line that can be read. */
async function* decode(chunks: AsyncIterable<Uint8Array>, { encoding }: Dialect): AsyncGenerator<string> {
  const decoder = new TextDecoder(encoding, { fatal: true })
  for await (const chunk of chunks) {
    try {
      const text = decoder.decode(chunk, { stream: true })
      const nul = text.indexOf("\0")
      if (nul < 0) yield text
      else {
        yield text.slice(0, text.lastIndexOf("\n", nul) + 1)
        throw new Undecodable("the line holds a NUL character: the file is no text, or in another encoding")
      }
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause
      yield soundLines(chunk, encoding)
      const hint = encoding === "utf-8" ? " (is it encoding: latin1?)" : ""
      throw new Undecodable(`the line is not ${encoding.toUpperCase()} text${hint}`, { cause })
    }
  }
  try {
    yield decoder.decode()
  } catch (cause) {
    throw new Undecodable(`the file ends within a character of ${encoding.toUpperCase()}`, { cause })
  }
}

/** The lines of a chunk before the first that cannot be decoded. */
const soundLines = (chunk: Uint8Array, encoding: Encoding): string => {
  if (encoding === "utf-8") return new TextDecoder().decode(soundUtf8(chunk))
  const text = new TextDecoder(encoding).decode(chunk)
  return text.slice(0, text.lastIndexOf("\n", text.indexOf("\ufffd")) + 1)
}

/** The lines of a chunk before the first that is not UTF-8. A chunk may begin within a character: that one is left out. */
const soundUtf8 = (chunk: Uint8Array): Uint8Array => {
  let start = 0
  while (start < 4 && (chunk[start]! & 0xc0) === 0x80) start++
  let end = start
  for (;;) {
    const lineEnd = chunk.indexOf(10, end) + 1
    if (lineEnd === 0 || !isUtf8(chunk.subarray(end, lineEnd))) return chunk.subarray(start, end)
    end = lineEnd
  }
}

/** Turns the failure to decode into a fault at the line reached. */
async function* faultOf(
  rows: AsyncGenerator<ReadonlyArray<SourceRow>>,
  line: () => number
): AsyncGenerator<ReadonlyArray<SourceRow>> {
  try {
    yield* rows
  } catch (error) {
    if (!(error instanceof Undecodable)) throw error
    yield [{ line: line(), fault: error.message, isEnd: true }]
  }
}

/** Lines of text as they come, several at once, each with its number from 1. Blank ones are left out. */
const readLines = (
  chunks: AsyncIterable<Uint8Array>,
  dialect: Dialect,
  rowOf: (text: string, line: number) => SourceRow
): AsyncGenerator<ReadonlyArray<SourceRow>> => {
  let line = 0
  const parsed = (texts: ReadonlyArray<string>): ReadonlyArray<SourceRow> => {
    const rows: Array<SourceRow> = []
    for (const text of texts) {
      line++
      if (text.trim() !== "") rows.push(rowOf(text, line))
    }
    return rows
  }
  const rows = async function* (): AsyncGenerator<ReadonlyArray<SourceRow>> {
    let rest = ""
    for await (const text of decode(chunks, dialect)) {
      // Only what is new is searched, so that a line of many chunks takes time in proportion to its length.
      const end = text.lastIndexOf("\n")
      if (end >= 0) yield parsed((rest + text.slice(0, end)).split("\n"))
      rest = end < 0 ? rest + text : text.slice(end + 1)
      if (rest.length <= LONGEST_RECORD) continue
      yield [{ line: line + 1, fault: tooLong("the line"), isEnd: true }]
      return
    }
    yield parsed([rest])
  }
  return faultOf(rows(), () => line + 1)
}

/** Plain text, a row a line, with the columns that all lines of a file share. */
export const readTextLines = (
  chunks: AsyncIterable<Uint8Array>,
  dialect: Dialect,
  shared: Readonly<Record<string, string>>
): AsyncGenerator<ReadonlyArray<SourceRow>> =>
  readLines(chunks, dialect, (text, line) => ({
    line,
    values: { ...shared, text: text.endsWith("\r") ? text.slice(0, -1) : text }
  }))

/** Plain text, one row the whole file. */
export const readWholeText = (
  chunks: AsyncIterable<Uint8Array>,
  dialect: Dialect,
  shared: Readonly<Record<string, string>>
): AsyncGenerator<ReadonlyArray<SourceRow>> => {
  const rows = async function* (): AsyncGenerator<ReadonlyArray<SourceRow>> {
    let whole = ""
    for await (const text of decode(chunks, dialect)) {
      whole += text
      if (whole.length <= LONGEST_RECORD) continue
      yield [{ line: 1, fault: tooLong("the text of the file"), isEnd: true }]
      return
    }
    yield [{ line: 1, values: { ...shared, text: whole } }]
  }
  return faultOf(rows(), () => 1)
}

const readJsonArray = (
  chunks: AsyncIterable<Uint8Array>,
  dialect: Dialect,
  columns: ReadonlyArray<string> | undefined
): AsyncGenerator<ReadonlyArray<SourceRow>> => {
  const splitter = new JsonArraySplitter(columns)
  const rows = async function* (): AsyncGenerator<ReadonlyArray<SourceRow>> {
    for await (const text of decode(chunks, dialect)) {
      yield splitter.feed(text)
      if (splitter.broken) return
    }
    yield splitter.end()
  }
  return faultOf(rows(), () => splitter.line)
}

/** Records under a header. */
const readSeparated = (
  chunks: AsyncIterable<Uint8Array>,
  dialect: Dialect
): AsyncGenerator<ReadonlyArray<SourceRow>> => {
  const splitter = new SeparatedSplitter(dialect.delimiter, dialect.quote, dialect.skipLines)
  let header: ReadonlyArray<string> | undefined
  const rowOf = (record: SeparatedRecord): SourceRow | undefined => {
    if (record.fault !== undefined) return record
    if (header !== undefined) return separatedRow(header, record.fields, record.line)
    header = headerNames(record.fields)
    const fault = headerFault(header)
    return fault === undefined ? undefined : { line: record.line, fault, isEnd: true }
  }
  const rowsOf = (records: ReadonlyArray<SeparatedRecord>) => records.map(rowOf).filter((row) => row !== undefined)
  const rows = async function* (): AsyncGenerator<ReadonlyArray<SourceRow>> {
    for await (const text of decode(chunks, dialect)) {
      yield rowsOf(splitter.feed(text))
      if (splitter.broken) return
    }
    yield rowsOf(splitter.end())
    if (header === undefined && !splitter.broken)
      yield [{ line: 1, fault: "the file is empty: a header line was expected" }]
  }
  return faultOf(rows(), () => splitter.line)
}

const headerFault = (header: ReadonlyArray<string>): string | undefined => {
  const seen = new Set<string>()
  const twice = header.find((name) => seen.size === seen.add(name).size)
  if (twice !== undefined) return `the header names "${twice}" twice`
  return header.includes("__proto__") ? 'a column cannot be called "__proto__": rename it' : undefined
}

const separatedRow = (header: ReadonlyArray<string>, record: ReadonlyArray<string>, line: number): SourceRow => {
  if (record.length !== header.length)
    return { line, fault: `${record.length} fields where the header has ${header.length}` }
  const values: Record<string, string> = {}
  for (let at = 0; at < header.length; at++) values[header[at]!] = record[at]!
  return { line, values }
}
