import { open } from "node:fs/promises"
import { RecordBatchReader } from "apache-arrow"
import {
  asyncBufferFromFile,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema
} from "hyparquet"
import { compressors as libraries } from "hyparquet-compressors"
import { BOMB_BYTES, BOMB_RATIO } from "./decompress.ts"
import type { SourceRow } from "./readers.ts"

/** Rows of an Arrow batch that are turned into objects at once. */
const ROWS_AT_ONCE = 4096

/** Rows of a table file, `line` being the row from 1. `columns` are those wanted; absent: all. */
export type TableReader = (path: string, columns?: ReadonlyArray<string>) => AsyncGenerator<ReadonlyArray<SourceRow>>

/** A row group at a time: Parquet's unit of compression is the least that can be read. */
export const readParquet: TableReader = async function* (path, wanted) {
  const file = await asyncBufferFromFile(path)
  const metadata = await parquetMetadataAsync(file)
  checkChunks(metadata)
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

/**
 * Refuses a footer whose column chunks are not those of its schema, each once, or that promises more rows than they have values. The library
 * throws on such after it has begun to read, and what it then leaves behind is a rejection that nobody awaits: it ends the process.
 */
const checkChunks = (metadata: FileMetaData): void => {
  const leaves = new Set<string>()
  const visit = ({ children, path }: ReturnType<typeof parquetSchema>): void => {
    if (children.length === 0) leaves.add(JSON.stringify(path))
    else children.forEach(visit)
  }
  visit(parquetSchema(metadata))
  for (const { columns, num_rows } of metadata.row_groups) {
    const seen = new Set<string>()
    for (const { meta_data: chunk } of columns) {
      const path = JSON.stringify(chunk?.path_in_schema)
      if (chunk === undefined || !leaves.has(path)) throw new Error(`its schema has no column ${path}`)
      if (seen.has(path)) throw new Error(`a row group has the column ${path} twice`)
      if (num_rows > chunk.num_values)
        throw new Error(`a row group of ${num_rows} rows has ${chunk.num_values} values of ${path}`)
      seen.add(path)
    }
  }
}

/** The libraries make room for what a page says that it holds: one that says too much is refused before. */
const compressors = Object.fromEntries(
  Object.entries(libraries).map(([name, decompress]) => [
    name,
    (input: Uint8Array, bytes: number): Uint8Array => {
      if (bytes > BOMB_BYTES && bytes > BOMB_RATIO * input.length)
        throw new Error(`a page of ${input.length} bytes says that it holds ${bytes}`)
      return decompress!(input, bytes)
    }
  ])
) as Compressors

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
