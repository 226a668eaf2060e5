import { createReadStream } from "node:fs"
import { basename } from "node:path"
import { BadCompression, decompressed } from "../ingest/decompress.ts"
import { type FileHead, readHead } from "../ingest/head.ts"
import type { IngestParams } from "../ingest/params.ts"
import { readRows, readTextLines, type SourceRow } from "../ingest/readers.ts"
import { readArrow, readParquet } from "../ingest/tables.ts"

/** Where rows to predict come from: a file in any format that `ingest` reads, or JSONL as it comes (standard input). */
export type PredictInput = { readonly path: string } | { readonly jsonl: AsyncIterable<Uint8Array> }

/** How the pipeline's ingest step reads text files; the format and compression are told by the file itself. */
export type Reading = Pick<IngestParams, "delimiter" | "quote" | "encoding" | "skip_lines">

const plainly = { encoding: "utf-8", delimiter: ",", quote: '"', skipLines: 0 } as const

/** The rows of an input, some at once, in its order. A row that cannot be read is given as a fault. */
export async function* rowsOf(input: PredictInput, reading: Reading): AsyncGenerator<ReadonlyArray<SourceRow>> {
  if ("jsonl" in input) return yield* readRows("jsonl", input.jsonl, plainly)
  const { path } = input
  const head = await readHead(path, { ...reading, format: isPlainText(path) ? "text" : "auto" })
  if (head.format === "parquet") return yield* readParquet(path)
  if (head.format === "arrow") return yield* readArrow(path)
  try {
    yield* textRows(path, head)
  } catch (error) {
    if (!(error instanceof BadCompression)) throw error
    yield [{ line: 1, fault: error.message }]
  }
}

/** A row a line: the one format that the first bytes cannot tell, so the name does. */
const isPlainText = (path: string): boolean => /\.txt(\.gz|\.zst)?$/iu.test(basename(path))

const textRows = (path: string, { compression, dialect, format }: FileHead) => {
  const bytes = createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Uint8Array>
  const chunks = compression === undefined ? bytes : decompressed(bytes, compression)
  if (format === "text") return readTextLines(chunks, dialect, {})
  return readRows(format as "jsonl" | "json" | "csv" | "tsv", chunks, dialect)
}
