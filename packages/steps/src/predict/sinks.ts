import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import type { Writable } from "node:stream"
import { fileWriter, ParquetWriter, schemaFromColumnData } from "hyparquet-writer"
import { TableWriter } from "../arrow/writer.ts"
import { arrowColumns, flattened, separated } from "../tables/columns.ts"
import { columnsOf, type PredictedRows, SCORE } from "./columns.ts"

export const outputFormats = ["csv", "jsonl", "parquet", "arrow"] as const
export type OutputFormat = (typeof outputFormats)[number]

/** Takes rows as they are predicted. `finish` puts the file in its place; `abandon` leaves no trace. */
export interface Sink {
  readonly write: (rows: PredictedRows) => Promise<void>
  readonly finish: () => Promise<void>
  readonly abandon: () => void
}

/** JSON lines on a stream, each window when it is predicted. */
export const streamSink = (stream: Writable): Sink => ({
  write: (rows) => new Promise((done) => void stream.write(jsonLines(rows), () => done())),
  finish: async () => {},
  abandon: () => {}
})

/** A file that is written beside its place and renamed at the end: whoever reads `path` finds all rows or none. */
export const fileSink = (path: string, format: OutputFormat): Sink => {
  const place = resolve(path)
  const folder = dirname(place)
  mkdirSync(folder, { recursive: true })
  const partial = join(folder, `.${basename(place)}.${process.pid}.partial`)
  const writer = writers[format](partial)
  let isOpen = true
  return {
    write: async (rows) => writer.write(rows),
    finish: async () => {
      isOpen = false
      await writer.finish()
      syncFile(partial)
      renameSync(partial, place)
    },
    abandon: () => {
      if (isOpen) writer.close()
      rmSync(partial, { force: true })
    }
  }
}

const syncFile = (path: string): void => {
  const fd = openSync(path, "r+")
  fsyncSync(fd)
  closeSync(fd)
}

interface Writer {
  readonly write: (rows: PredictedRows) => void | Promise<void>
  readonly finish: () => void | Promise<void>
  /** Lets go of the file without finishing it. */
  readonly close: () => void
}

const textWriter =
  (textOf: (rows: PredictedRows, isFirst: boolean) => string) =>
  (path: string): Writer => {
    const fd = openSync(path, "w", 0o644)
    let isFirst = true
    const close = () => closeSync(fd)
    return {
      write: (rows) => {
        const bytes = Buffer.from(textOf(rows, isFirst))
        isFirst = false
        for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
      },
      finish: close,
      close
    }
  }

/** One object a row, with the scores by label in an object of their own. */
const jsonLines = (rows: PredictedRows): string => {
  const columns = columnsOf(rows)
  const flat = columns.filter(({ name }) => !name.startsWith(SCORE))
  const hasScores = flat.length < columns.length
  const byLabel = (scores: Float32Array | null) =>
    scores === null ? null : Object.fromEntries(rows.labels.map((label, at) => [label, scores[at]!]))
  const lines = rows.scores.map((scores, row) => {
    const values = flat.map((column) => [column.name, column.values[row]] as const)
    const object = { ...Object.fromEntries(values), ...(hasScores ? { scores: byLabel(scores) } : {}) }
    return `${JSON.stringify(object, shortened)}\n`
  })
  return lines.join("")
}

/** Scores are float32: nine digits give each of them back. */
const shortened = <A>(_: string, value: A): A | number =>
  typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(9)) : value

const arrowWriter = (path: string): Writer => {
  const writer = new TableWriter(dirname(path), basename(path))
  return {
    write: (rows) => writer.write(arrowColumns(columnsOf(rows))),
    finish: () => void writer.finish(),
    close: () => writer.abandon()
  }
}

const parquetTypes = { text: "STRING", integer: "INT32", number: "DOUBLE" } as const

/** A row group for each window. */
const parquetWriter = (path: string): Writer => {
  const file = fileWriter(path)
  let writer: ParquetWriter | undefined
  return {
    write: (rows) => {
      const columns = columnsOf(rows).map(flattened)
      writer ??= new ParquetWriter({
        writer: file,
        schema: schemaFromColumnData({
          columnData: columns.map(({ name, nullable, type }) => ({
            name,
            data: [],
            type: parquetTypes[type],
            nullable
          }))
        })
      })
      const columnData = columns.map(({ name, values }) => ({ name, data: [...values] }))
      return writer.write({ columnData, rowGroupSize: Math.max(1, rows.scores.length) })
    },
    finish: () => writer!.finish(),
    close: () => {}
  }
}

const writers: Readonly<Record<OutputFormat, (path: string) => Writer>> = {
  csv: textWriter((rows, withHeader) =>
    separated(columnsOf(rows), { withHeader, numberText: (value) => String(shortened("", value)) })
  ),
  jsonl: textWriter(jsonLines),
  arrow: arrowWriter,
  parquet: parquetWriter
}
