import { open } from "node:fs/promises"
import { RecordBatchReader } from "apache-arrow"
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from "hyparquet"
import { compressors } from "hyparquet-compressors"
import type { SourceRow } from "./readers.ts"

/** Rows of an Arrow batch that are turned into objects at once. */
const ROWS_AT_ONCE = 4096

/** Rows of a table file, `line` being the row from 1. `columns` are those wanted; absent: all. */
export type TableReader = (path: string, columns?: ReadonlyArray<string>) => AsyncGenerator<ReadonlyArray<SourceRow>>

/** A row group at a time: Parquet's unit of compression is the least that can be read. */
export const readParquet: TableReader = async function* (path, wanted) {
  const file = await asyncBufferFromFile(path)
  const metadata = await parquetMetadataAsync(file)
  const present = parquetSchema(metadata).children.map(({ element }) => element.name)
  const columns = wanted === undefined ? present : present.filter((name) => wanted.includes(name))
  let start = 0
  for (const group of metadata.row_groups) {
    const end = start + Number(group.num_rows)
    const objects = await parquetReadObjects({ file, metadata, columns, compressors, rowStart: start, rowEnd: end })
    yield objects.map((values, at) => ({ line: start + at + 1, values: plainRow(values) }))
    start = end
  }
}

/** A record batch at a time, of an IPC file or stream. */
export const readArrow: TableReader = async function* (path, wanted) {
  const handle = await open(path)
  try {
    const reader = await RecordBatchReader.from(handle)
    await reader.open()
    let line = 1
    for await (const batch of reader) {
      const names = batch.schema.names.map(String).filter((name) => wanted === undefined || wanted.includes(name))
      const columns = names.map((name) => batch.getChild(name)!)
      for (let start = 0; start < batch.numRows; start += ROWS_AT_ONCE) {
        const count = Math.min(ROWS_AT_ONCE, batch.numRows - start)
        yield Array.from({ length: count }, (_, at): SourceRow => {
          const values = names.map((name, column) => [name, columns[column]!.get(start + at)] as const)
          return { line: line + start + at, values: plainRow(Object.fromEntries(values)) }
        })
      }
      line += batch.numRows
    }
  } finally {
    await handle.close()
  }
}

const plainRow = (values: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, plain(value)]))

/** Values as JSON has them: dates as ISO 8601, whole numbers beyond 2^53 as text, bytes as UTF-8. */
const plain = (value: unknown): unknown => {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (typeof value !== "object" || value === null) return value
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString("utf8")
  if (Array.isArray(value) || (Symbol.iterator in value && "toArray" in value))
    return Array.from(value as Iterable<unknown>, plainEntry)
  const object = "toJSON" in value && typeof value.toJSON === "function" ? (value.toJSON() as object) : value
  return plainRow(object as Record<string, unknown>)
}

const plainEntry = (value: unknown): unknown => plain(value)
