import { closeSync, fstatSync, openSync, readSync } from "node:fs"
import { compressionOf, type Compression, decompressed } from "./decompress.ts"
import { type Encoding, encodings, sniffDelimiter, sniffEncoding } from "./dialect.ts"
import { type Format, HEAD_BYTES, sniffBinary, sniffFormat } from "./format.ts"
import type { IngestParams } from "./params.ts"
import type { Dialect } from "./readers.ts"

/** What the first bytes of a file tell, where the params do not. */
export interface FileHead {
  readonly format: Exclude<Format, "folder">
  readonly compression: Compression | undefined
  readonly dialect: Dialect
  /** The head as text, without a byte order mark; empty for Parquet and Arrow. A character cut by the end is U+FFFD. */
  readonly text: string
}

/** Compressed blocks may be larger than a head: zstd's have up to 128 KiB. */
const RAW_BYTES = 1 << 18

type Wanted = Pick<IngestParams, "format" | "delimiter" | "quote" | "encoding" | "skip_lines">

/** Reads the first 64 KiB of a file, uncompressed, and tells how it is to be read. */
export const readHead = async (path: string, params: Wanted): Promise<FileHead> => {
  const raw = firstBytes(path)
  const compression = compressionOf(raw)
  const bytes = compression === undefined ? raw.subarray(0, HEAD_BYTES) : await uncompressedHead(raw, compression)
  const encoding = params.encoding ?? sniffEncoding(bytes)
  const binary = params.format === "auto" ? sniffBinary(bytes) : undefined
  const text = binary === undefined ? new TextDecoder(encoding).decode(bytes) : ""
  const format = formatOf(text, binary, params)
  return { format, compression, dialect: dialectOf(text, encoding, format, params), text }
}

const formatOf = (
  text: string,
  binary: "parquet" | "arrow" | undefined,
  { delimiter, format }: Wanted
): FileHead["format"] => {
  if (format === "folder") return "text"
  if (format !== "auto") return format
  if (binary !== undefined) return binary
  const sniffed = sniffFormat(text) as FileHead["format"]
  return sniffed === "tsv" && delimiter !== undefined ? "csv" : sniffed
}

const dialectOf = (
  text: string,
  encoding: Encoding,
  format: Format,
  { delimiter, quote, skip_lines }: Wanted
): Dialect => ({
  encoding,
  quote,
  skipLines: skip_lines,
  delimiter: delimiter ?? (format === "tsv" ? "\t" : format === "csv" ? sniffDelimiter(text, quote, skip_lines) : ",")
})

/** What a source is said to be in counts: its dialect only where it is not the usual one. */
export const describe = ({ compression, dialect, format }: FileHead): string => {
  const names: Record<string, string> = { ";": "semicolons", "\t": "tabs", "|": "bars" }
  const { delimiter, encoding, quote, skipLines } = dialect
  const parts = [
    format === "csv" && delimiter !== "," ? `${names[delimiter] ?? delimiter} between fields` : undefined,
    format === "csv" && skipLines > 0
      ? `${skipLines === 1 ? "a line" : `${skipLines} lines`} above the header`
      : undefined,
    format === "csv" && quote !== '"' ? `${quote} as quote` : undefined,
    encoding === encodings[0] ? undefined : encoding,
    compression
  ].filter((part) => part !== undefined)
  return parts.length === 0 ? format : `${format} (${parts.join(", ")})`
}

const firstBytes = (path: string): Uint8Array => {
  const fd = openSync(path, "r")
  try {
    const bytes = Buffer.allocUnsafe(Math.min(RAW_BYTES, fstatSync(fd).size))
    let filled = 0
    while (filled < bytes.length) {
      const read = readSync(fd, bytes, filled, bytes.length - filled, filled)
      if (read === 0) break
      filled += read
    }
    return bytes.subarray(0, filled)
  } finally {
    closeSync(fd)
  }
}

/** As much as the head of a compressed file gives, and no more: a few bytes may stand for gigabytes. It ends within a block, which is no fault. */
const uncompressedHead = async (raw: Uint8Array, compression: Compression): Promise<Uint8Array> => {
  const pieces: Array<Uint8Array> = []
  let filled = 0
  try {
    const given = async function* () {
      yield raw
    }
    for await (const piece of decompressed(given(), compression)) {
      pieces.push(piece)
      filled += piece.byteLength
      if (filled >= HEAD_BYTES) break
    }
  } catch {
    // Reading the rows tells what is wrong with it, and where.
  }
  return Buffer.concat(pieces).subarray(0, HEAD_BYTES)
}
