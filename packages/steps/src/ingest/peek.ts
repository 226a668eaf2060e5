import { open } from "node:fs/promises"
import type { SourceHead } from "@hone/core/Step"
import { type Format, HEAD_BYTES, rowDepth, rowKeys, sniffFormat } from "./format.ts"
import type { IngestParams } from "./params.ts"
import { headerNames, SeparatedSplitter } from "./SeparatedSplitter.ts"

/** The columns that the first 64 KiB of a source show, and its format. No columns where the head shows none. */
export const peek = async (path: string, params: IngestParams): Promise<SourceHead> => {
  const head = await readHead(path)
  const format = params.format === "auto" ? sniffFormat(head) : params.format
  const columns = headColumns(head, format)
  return { format, ...(columns.length === 0 ? {} : { columns }) }
}

/** The first bytes of a file as text. A character cut by the end becomes U+FFFD, which no column name needs. */
export const readHead = async (path: string): Promise<string> => {
  const file = await open(path)
  try {
    const bytes = Buffer.alloc(HEAD_BYTES)
    let filled = 0
    while (filled < HEAD_BYTES) {
      const { bytesRead } = await file.read(bytes, filled, HEAD_BYTES - filled, filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return bytes.toString("utf8", 0, filled).replace(/^\uFEFF/, "")
  } finally {
    await file.close()
  }
}

const headColumns = (head: string, format: Format): ReadonlyArray<string> => {
  if (format === "jsonl") return rowKeys(head, 1)
  if (format === "json") return rowKeys(head, rowDepth(head))
  const splitter = new SeparatedSplitter(format === "tsv" ? "\t" : ",")
  const [header] = [...splitter.feed(head), ...splitter.end()]
  return headerNames(header?.fields ?? [])
}
