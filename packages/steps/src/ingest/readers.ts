import { isUtf8 } from "node:buffer"
import type { Format } from "./format.ts"
import { JsonArraySplitter, parseRow } from "./JsonArraySplitter.ts"
import { headerNames, type SeparatedRecord, SeparatedSplitter } from "./SeparatedSplitter.ts"

/** A row of a source by its own column names, or what is wrong with it. `line` is where it begins, from 1. */
export type SourceRow =
  | { readonly line: number; readonly values: Readonly<Record<string, unknown>>; readonly fault?: undefined }
  | { readonly line: number; readonly fault: string; readonly values?: undefined }

/**
 * The rows of a source as its bytes come; no more than a chunk and a row are held. A row that cannot be read is yielded as a fault
 * and reading goes on where the format allows it. Failures of `chunks` pass through.
 */
export const readRows = (format: Format, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<SourceRow> => {
  if (format === "jsonl") return readJsonLines(chunks)
  if (format === "json") return readJsonArray(chunks)
  return readSeparated(chunks, format === "tsv" ? "\t" : ",")
}

class NotUtf8 extends Error {}

/** UTF-8 text, without a byte order mark. Fails by NotUtf8 after the last line that is. */
async function* decode(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true })
  for await (const chunk of chunks) {
    try {
      yield decoder.decode(chunk, { stream: true })
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause
      yield new TextDecoder().decode(soundLines(chunk))
      throw new NotUtf8("the line is not UTF-8 text", { cause })
    }
  }
  try {
    yield decoder.decode()
  } catch (cause) {
    throw new NotUtf8("the file ends within a character of UTF-8", { cause })
  }
}

/** The lines of a chunk before the first that is not UTF-8. A chunk may begin within a character: that one is left out. */
const soundLines = (chunk: Uint8Array): Uint8Array => {
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
async function* faultOf(rows: AsyncGenerator<SourceRow>, line: () => number): AsyncGenerator<SourceRow> {
  try {
    yield* rows
  } catch (error) {
    if (!(error instanceof NotUtf8)) throw error
    yield { line: line(), fault: error.message }
  }
}

const readJsonLines = (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<SourceRow> => {
  let line = 0
  const parsed = function* (text: string): Generator<SourceRow> {
    line++
    if (text.trim() !== "") yield parseRow(text, line)
  }
  const rows = async function* (): AsyncGenerator<SourceRow> {
    let rest = ""
    for await (const text of decode(chunks)) {
      const lines = (rest + text).split("\n")
      rest = lines.pop()!
      for (const complete of lines) yield* parsed(complete)
    }
    yield* parsed(rest)
  }
  return faultOf(rows(), () => line + 1)
}

const readJsonArray = (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<SourceRow> => {
  const splitter = new JsonArraySplitter()
  const rows = async function* (): AsyncGenerator<SourceRow> {
    for await (const text of decode(chunks)) {
      yield* splitter.feed(text)
      if (splitter.broken) return
    }
    yield* splitter.end()
  }
  return faultOf(rows(), () => splitter.line)
}

/** Records under a header. */
const readSeparated = (chunks: AsyncIterable<Uint8Array>, delimiter: string): AsyncGenerator<SourceRow> => {
  const splitter = new SeparatedSplitter(delimiter)
  let header: ReadonlyArray<string> | undefined
  const rowsOf = function* (records: ReadonlyArray<SeparatedRecord>): Generator<SourceRow> {
    for (const record of records) {
      if (record.fault !== undefined) yield record
      else if (header !== undefined) yield separatedRow(header, record.fields, record.line)
      else {
        header = headerNames(record.fields)
        const fault = headerFault(header)
        if (fault !== undefined) yield { line: record.line, fault }
      }
    }
  }
  const rows = async function* (): AsyncGenerator<SourceRow> {
    for await (const text of decode(chunks)) {
      yield* rowsOf(splitter.feed(text))
      if (splitter.broken) return
    }
    yield* rowsOf(splitter.end())
    if (header === undefined && !splitter.broken)
      yield { line: 1, fault: "the file is empty: a header line was expected" }
  }
  return faultOf(rows(), () => splitter.line)
}

const headerFault = (header: ReadonlyArray<string>): string | undefined => {
  const twice = header.find((name, at) => header.indexOf(name) !== at)
  return twice === undefined ? undefined : `the header names "${twice}" twice`
}

const separatedRow = (header: ReadonlyArray<string>, record: ReadonlyArray<string>, line: number): SourceRow =>
  record.length === header.length
    ? { line, values: Object.fromEntries(header.map((name, at) => [name, record[at]])) }
    : { line, fault: `${record.length} fields where the header has ${header.length}` }
