import { BadCompression, decompressed } from "./decompress.ts"
import { isByFolder } from "./files.ts"
import { damaged } from "./format.ts"
import { describe, readHead } from "./head.ts"
import type { IngestParams } from "./params.ts"
import { readRows, readTextLines, readWholeText, type SourceRow } from "./readers.ts"
import type { ReadFile, SourceReading } from "./SourceReading.ts"
import { readArrow, readParquet } from "./tables.ts"

/** Rows that came together, and where they are from. */
export interface Block {
  /** Which of the step's sources, from 0. */
  readonly source: number
  /** How messages name the file. */
  readonly shown: string
  readonly rows: ReadonlyArray<SourceRow>
}

export interface OpenSource {
  readonly reading: SourceReading
  readonly path: string
}

/** Every row of the sources, in order. `onFormat` hears of each file how it is read. */
export async function* rowsOfSources(
  sources: ReadonlyArray<OpenSource>,
  params: IngestParams,
  columns: ReadonlyArray<string> | undefined,
  onFormat: (format: string) => void
): AsyncGenerator<Block> {
  for (const [source, { path, reading }] of sources.entries()) {
    const isLabelled = isByFolder(path, params.format)
    for await (const file of reading.read())
      for await (const rows of rowsOfFile(file, params, columns, isLabelled, onFormat))
        yield { source, shown: file.shown, rows }
  }
}

async function* rowsOfFile(
  file: ReadFile,
  params: IngestParams,
  columns: ReadonlyArray<string> | undefined,
  isLabelled: boolean,
  onFormat: (format: string) => void
): AsyncGenerator<ReadonlyArray<SourceRow>> {
  const head = await readHead(file.path, params)
  onFormat(isLabelled ? "folder" : describe(head))
  if (!isLabelled && (head.format === "parquet" || head.format === "arrow")) {
    yield* tableRows(file, head.format, columns)
    return
  }
  const chunks = head.compression === undefined ? file.chunks : decompressed(file.chunks, head.compression)
  try {
    if (isLabelled) yield* readWholeText(chunks, head.dialect, { label: topFolder(file.name), file: file.name })
    else if (head.format === "text")
      yield* readTextLines(chunks, head.dialect, { label: stem(file.name), file: file.name })
    else yield* readRows(head.format as "jsonl", chunks, head.dialect, columns)
  } catch (error) {
    if (!(error instanceof BadCompression)) throw error
    yield [{ line: 1, fault: error.message, isEnd: true }]
  }
}

async function* tableRows(
  file: ReadFile,
  format: "parquet" | "arrow",
  columns: ReadonlyArray<string> | undefined
): AsyncGenerator<ReadonlyArray<SourceRow>> {
  try {
    yield* format === "parquet" ? readParquet(file.path, columns) : readArrow(file.path, columns)
  } catch (error) {
    if (error instanceof Error && "syscall" in error) throw error
    yield [
      {
        line: 1,
        fault: damaged(format, error),
        isEnd: true
      }
    ]
  }
}

/** The folder right below the source: a label. A file that lies in none has an empty one, and is counted as unlabelled. */
const topFolder = (name: string): string => (name.includes("/") ? name.slice(0, name.indexOf("/")) : "")

/** A file's name without folders and endings. */
export const stem = (name: string): string =>
  name.slice(name.lastIndexOf("/") + 1).replace(/(\.(txt|text|gz|zst))+$/iu, "")
