import type { JsonObject } from "@hone/core/Json"
import type { SourceHead } from "@hone/core/Step"
import { filesAt, isByFolder, rootOf } from "./files.ts"
import { linesAboveHeader } from "./dialect.ts"
import { guessShape } from "./guess.ts"
import { type FileHead, readHead } from "./head.ts"
import { damaged, rowDepth, rowKeys } from "./format.ts"
import type { IngestParams } from "./params.ts"
import { readRows, readTextLines, type SourceRow } from "./readers.ts"
import { headerNames, SeparatedSplitter } from "./SeparatedSplitter.ts"

/** Rows that are looked at to tell what a source is for. */
const ROWS = 500

type Wanted = Pick<IngestParams, "format" | "delimiter" | "quote" | "encoding" | "skip_lines">

/** What a source shows before anything runs. */
export interface Sight {
  readonly format: FileHead["format"] | "folder"
  readonly columns: ReadonlyArray<string>
  readonly rows: ReadonlyArray<Readonly<Record<string, unknown>>>
  /** Absent for a folder of files by label. */
  readonly head?: FileHead
  /** How a text file seems to be read otherwise, where the params do not tell: lines above the header of a CSV, bytes that are no UTF-8. */
  readonly above?: number
  readonly encoding?: "latin1"
}

/** The columns that the first 64 KiB of a source show, its format, and what it may be for. No columns where the head shows none. */
export const peek = async (path: string, params: IngestParams): Promise<SourceHead> => {
  const { above, columns, format, rows } = await look(path, params)
  const guess = guessShape(columns, rows)
  const words = wordsOf(columns, rows)
  const facts: JsonObject = {
    ...(above === undefined ? {} : { above }),
    ...(Object.keys(words).length === 0 ? {} : { words }),
    ...(guess === undefined ? {} : { guess: { ...guess, columns: guess.columns as JsonObject } })
  }
  return {
    format,
    ...(columns.length === 0 ? {} : { columns }),
    ...(Object.keys(facts).length === 0 ? {} : { facts })
  }
}

const isNumeric = (value: unknown): boolean =>
  typeof value === "number" || (typeof value === "string" && value.trim() !== "" && Number.isFinite(Number(value)))

/** Columns whose first rows hold no number, each with one of its values: none of them can be a regression's target. */
const wordsOf = (columns: ReadonlyArray<string>, rows: Sight["rows"]): JsonObject =>
  Object.fromEntries(
    columns.flatMap((column) => {
      const values = rows
        .map((row) => row[column])
        .filter((value) => value !== undefined && value !== null && value !== "")
      return values.length > 0 && !values.some(isNumeric) ? [[column, String(values[0]).slice(0, 40)]] : []
    })
  )

/** Reads the head of a source. Of several files the first one. */
export const look = async (path: string, params: Wanted): Promise<Sight> => {
  const files = filesAt(path)
  if (files.length === 0) throw unreadable("the folder holds no file", "name one that has files, or a pattern")
  if (isByFolder(path, params.format)) return folderSight(rootOf(path), files)
  if (params.format === "folder")
    throw unreadable(
      "it is a file, and format: folder takes a folder",
      "write format: text for a row a line, or leave format out"
    )
  const head = await readHead(files[0]!, params)
  if (head.format === "parquet" || head.format === "arrow") return tableSight(files[0]!, head)
  if (params.encoding === undefined && head.dialect.encoding === "utf-8" && head.text.includes("\0"))
    throw unreadable(
      "it holds NUL bytes: it is no text, or in another encoding",
      "write encoding: utf-16le, say, or another format"
    )
  const columns = head.format === "text" ? ["text", "label", "file"] : headColumns(head)
  const isSeparated = head.format === "csv" || head.format === "tsv"
  const above = isSeparated && params.skip_lines === 0 ? linesAboveHeader(head.text, params.quote) : 0
  // The last character may be cut.
  const isOther = params.encoding === undefined && head.text.slice(0, -1).includes("\uFFFD")
  const seems = { ...(above === 0 ? {} : { above }), ...(isOther ? { encoding: "latin1" as const } : {}) }
  return { format: head.format, columns, rows: await headRows(head), head, ...seems }
}

const unreadable = (message: string, hint: string): Error => Object.assign(new Error(message), { hint })

/** A row a file; the folders right below the source are the labels. */
const folderSight = (root: string, files: ReadonlyArray<string>): Sight => {
  const labels = [
    ...new Set(
      files
        .map((file) => file.slice(root.length + 1).split(/[\\/]/u))
        .filter((parts) => parts.length > 1)
        .map(([label]) => label!)
    )
  ]
  return {
    format: "folder",
    columns: ["text", "label", "file"],
    rows: labels.flatMap((label) => [
      { text: "a text", label },
      { text: "another text", label }
    ])
  }
}

const tableSight = async (path: string, head: FileHead): Promise<Sight> => {
  // Arrow and Parquet are loaded for such a source alone: planning needs neither.
  const { readArrow, readParquet } = await import("./tables.ts")
  const rows: Array<Readonly<Record<string, unknown>>> = []
  const format = head.format === "parquet" ? "parquet" : "arrow"
  try {
    for await (const group of format === "parquet" ? readParquet(path) : readArrow(path)) {
      rows.push(...group.slice(0, ROWS).flatMap(({ values }) => (values === undefined ? [] : [values])))
      break
    }
  } catch (error) {
    if (error instanceof Error && "syscall" in error) throw error
    throw unreadable(damaged(format, error), "download it again, or write it anew")
  }
  return { format: head.format, columns: [...new Set(rows.flatMap((row) => Object.keys(row)))], rows, head }
}

const headColumns = ({ dialect, format, text }: FileHead): ReadonlyArray<string> => {
  if (format === "jsonl") return rowKeys(text, 1)
  if (format === "json") return rowKeys(text, rowDepth(text))
  const splitter = new SeparatedSplitter(dialect.delimiter, dialect.quote, dialect.skipLines)
  const [header] = [...splitter.feed(text), ...splitter.end()]
  return headerNames(header?.fields ?? [])
}

/** The rows of a head without faults; the last may be cut off, and is then one. */
const headRows = async ({ dialect, format, text }: FileHead): Promise<Sight["rows"]> => {
  const chunks = async function* () {
    yield Buffer.from(text)
  }
  const utf8 = { ...dialect, encoding: "utf-8" as const }
  const found: Array<SourceRow> = []
  // Which columns a run will read is not known here: a row is not left out for what one of them holds.
  const blocks = format === "text" ? readTextLines(chunks(), utf8, {}) : readRows(format as "jsonl", chunks(), utf8, [])
  for await (const rows of blocks) found.push(...rows)
  return found.slice(0, ROWS).flatMap(({ values }) => (values === undefined ? [] : [values]))
}
