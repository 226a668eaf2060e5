import { isUtf8 } from "node:buffer"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync, zstdCompressSync } from "node:zlib"
import type { InputSource } from "@hone/core/Stage"
import { writeTable } from "@hone/steps/arrow/writer"
import { float64, labelDictionary, labels, nullableUtf8, utf8 } from "@hone/steps/arrow/columns"
import { BadCompression, decompressed } from "@hone/steps/ingest/decompress"
import type { IngestParams } from "@hone/steps/ingest/params"
import { peek } from "@hone/steps/ingest/peek"
import { readRows, type SourceRow, type TextFormat } from "@hone/steps/ingest/readers"
import { rowsOfSources } from "@hone/steps/ingest/rowsOfSource"
import { SourceReading } from "@hone/steps/ingest/SourceReading"
import { predicateOf, RowFault, whereFault } from "@hone/steps/where/where"
import * as fc from "fast-check"
import { afterAll, expect } from "vitest"
import { fuzz, spoilt, textOf } from "./fuzz.ts"

const folder = mkdtempSync(join(tmpdir(), "hone-fuzz-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const utf8Dialect = { encoding: "utf-8", delimiter: ",", quote: '"', skipLines: 0 } as const

async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const all = async (format: Exclude<TextFormat, "text">, bytes: Uint8Array, size: number) => {
  const rows: Array<SourceRow> = []
  for await (const some of readRows(format, chunked(bytes, size), utf8Dialect)) rows.push(...some)
  return rows
}

const input = (words: ReadonlyArray<string>) =>
  fc.record({ text: textOf(words), noise: fc.uint8Array({ maxLength: 4 }), size: fc.integer({ min: 1, max: 40 }) })

const words: Readonly<Record<"csv" | "json" | "jsonl", ReadonlyArray<string>>> = {
  csv: ['"', '""', ",", "\n", "\r\n", "\r", "a", "text,label\n", "\ufeff", "\0", "é", "\u{1f600}", "__proto__"],
  json: [
    "[",
    "]",
    "{",
    "}",
    '"',
    ":",
    ",",
    "\\",
    '"a":',
    '{"text":"x"}',
    "1e999",
    "12345678901234567890",
    "\\ud800",
    "null",
    "\n",
    " "
  ],
  jsonl: [
    '{"text":"x","label":"y"}\n',
    "{",
    "}",
    '"',
    ":",
    ",",
    "\\",
    "\n",
    "12345678901234567890",
    "\\ud800",
    "true",
    "\0"
  ]
}

for (const format of ["csv", "json", "jsonl"] as const) {
  fuzz(
    `${format}: rows or faults with a line, and the same however the bytes come`,
    input(words[format]),
    async ({ noise, size, text }) => {
      const bytes = Buffer.concat([Buffer.from(text), noise])
      const whole = await all(format, bytes, Math.max(1, bytes.length))
      for (const row of whole) {
        expect(row.line).toBeGreaterThan(0)
        if (row.values === undefined) expect(row.fault).not.toBe("")
      }
      // A chunk that ends within a character or a line must change nothing. (What else is told of a line that is no text may differ.)
      if (isUtf8(bytes) && !bytes.includes(0)) expect(await all(format, bytes, size)).toEqual(whole)
    }
  )
}

const cell = textOf(['"', ",", "\n", "\r\n", "a", " ", ";", "é"], 6).filter(
  (text) => !text.includes("\0") && text.isWellFormed()
)

fuzz("csv: what was written is read", fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 12 }), async (rows) => {
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`
  const text = `a,b\n${rows.map((row) => row.map(quoted).join(",")).join("\n")}\n`
  const read = await all("csv", Buffer.from(text), 7)
  expect(read.map(({ fault, values }) => fault ?? [values!["a"], values!["b"]])).toEqual(rows)
})

const params = {
  source: "x",
  format: "auto",
  quote: '"',
  skip_lines: 0,
  task: "text-classification",
  keep: []
} as unknown as IngestParams

/** Looks at a file and reads it as the step does. Anything but a failure with a hint is a crash. */
const readFile = async (bytes: Uint8Array): Promise<void> => {
  const path = join(folder, "file")
  writeFileSync(path, bytes)
  try {
    await peek(path, params)
  } catch (error) {
    if ((error as { readonly hint?: string }).hint === undefined) throw error
  }
  const source: InputSource = { path, format: "auto", digest: "", spec: "file" }
  const blocks = rowsOfSources([{ path, reading: new SourceReading(source, () => {}) }], params, undefined, () => {})
  for await (const { rows } of blocks) for (const row of rows) expect(row.line).toBeGreaterThan(0)
}

const table = writeTable(folder, "sound.arrow", {
  text: utf8(["one", "two", "three"]),
  maybe: nullableUtf8(["x", null, "y"]),
  label: labels(Int32Array.of(0, 1, 0), labelDictionary(["good", "bad"])),
  score: float64(Float64Array.of(1, 2, 3))
})
const arrow = readFileSync(join(folder, table.file))
const parquet = readFileSync(
  fileURLToPath(new URL("../../packages/steps/src/ingest/testdata/people.parquet", import.meta.url))
)

fuzz("arrow: a spoilt file gives rows or faults", spoilt(arrow), readFile)
fuzz("parquet: a spoilt file gives rows or faults", spoilt(parquet), readFile)

const rows = `text,label\n${Array.from({ length: 300 }, (_, at) => `row ${at},${at % 3}`).join("\n")}\n`

for (const [name, compressed] of [
  ["gzip", gzipSync(rows)],
  ["zstd", zstdCompressSync(rows)]
] as const) {
  fuzz(`${name}: spoilt bytes give rows or faults`, spoilt(compressed), async (bytes) => {
    await readFile(bytes)
    try {
      for await (const piece of decompressed(chunked(bytes, 11), name)) expect(piece.length).toBeGreaterThan(0)
    } catch (error) {
      if (!(error instanceof BadCompression)) throw error
    }
  })
}

const expression = textOf(
  [
    "text",
    "label",
    "`a b`",
    "and",
    "or",
    "not",
    "in",
    "(",
    ")",
    "[",
    "]",
    ",",
    "==",
    "!=",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    '"x"',
    "1",
    "2.5e3",
    "true",
    "null",
    "length(",
    "contains(",
    "text",
    "\\",
    " "
  ],
  20
)

fuzz(
  "where: an expression is understood or told where it is wrong, and says yes or no of any row",
  fc.tuple(expression, fc.anything()),
  ([text, value]) => {
    const fault = whereFault(text, undefined)
    if (fault !== undefined) {
      expect(fault.message).not.toBe("")
      return
    }
    try {
      expect(typeof predicateOf(text)(() => value)).toBe("boolean")
    } catch (error) {
      if (!(error instanceof RowFault)) throw error
    }
  }
)
