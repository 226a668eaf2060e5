import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { gzipSync, zstdCompressSync } from "node:zlib"
import { it } from "@effect/vitest"
import type { StageError } from "@hone/core/Stage"
import { tableToIPC, vectorFromArray, Table, Utf8, Float64 } from "apache-arrow"
import { Effect, Schema } from "effect"
import { afterAll, beforeAll, describe, expect } from "vitest"
import * as reader from "../arrow/reader.ts"
import { type Bench, makeBench, runStage } from "../testing/context.ts"
import { createHash } from "node:crypto"
import { combinedDigest, filesAt } from "./files.ts"
import { faultsOf } from "./faults.ts"
import { ingest } from "./index.ts"
import { IngestParams } from "./params.ts"
import { look, peek } from "./peek.ts"

let bench: Bench
let made = 0
beforeAll(() => void (bench = makeBench()))
afterAll(() => bench.dispose())

/** Files in a new folder, whose path is given back. */
const folderOf = (files: Readonly<Record<string, string | Uint8Array>>): string => {
  const folder = join(bench.folder, `sources-${made++}`)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  return folder
}

const digest = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex")

/** A source as the runner resolves it: a file, a folder or a pattern. */
const sourceAt = (path: string) => {
  const files = filesAt(path)
  const isFile = files.length === 1 && files[0] === path
  return {
    path,
    format: "auto",
    spec: path.slice(bench.folder.length + 1).replace(/^sources-\d+\/?/u, ""),
    digest: isFile
      ? digest(path)
      : combinedDigest(
          path,
          files.map((file) => ({ path: file, digest: digest(file) }))
        )
  }
}

const run = (path: string, more: object = {}) =>
  runStage(bench, ingest, {
    with: { source: "x", task: "text-classification", ...more },
    sources: { source: sourceAt(path) },
    seed: 7
  })

const table = (outcome: {
  readonly outputs: Readonly<Record<string, { readonly path: string; readonly blob: string }>>
}) => reader.readTable(outcome.outputs["rows"]!)

const rowsOf = (outcome: Parameters<typeof table>[0]) => {
  const rows = table(outcome)
  const { indices, names } = reader.labelColumn(rows, "label")
  return reader.strings(rows, "text").map((text, at) => `${text}:${names[indices[at]!]}`)
}

const failure = <A>(effect: Effect.Effect<A, unknown>) =>
  effect.pipe(
    Effect.flip,
    Effect.map((error) => error as StageError)
  )
const decoded = (params: object): IngestParams =>
  Schema.decodeUnknownSync(IngestParams as unknown as Schema.Codec<IngestParams>)(params)

const rows = [
  { text: "grün", label: "a" },
  { text: 'say "no"; or', label: "b" },
  { text: "x\ny", label: "a" }
]
const csvText = `text,label\n${rows.map(({ label, text }) => `"${text.replaceAll('"', '""')}",${label}`).join("\n")}\n`
const expected = rows.map(({ label, text }) => `${text}:${label}`)

describe("formats", () => {
  it.effect("gives the same rows from every dialect of CSV, and says which it was", () =>
    Effect.gen(function* () {
      const semicolons = csvText.replaceAll('",', '";').replace("text,", "text;")
      const utf16 = Buffer.from(`\uFEFF${csvText}`, "utf16le")
      const sources: ReadonlyArray<readonly [string | Uint8Array, object, string]> = [
        [csvText, {}, "csv"],
        [semicolons, {}, "csv (semicolons between fields)"],
        [csvText.replaceAll('",', '"|').replace("text,", "text|"), {}, "csv (bars between fields)"],
        [utf16, {}, "csv (utf-16le)"],
        [Buffer.from(utf16).swap16(), {}, "csv (utf-16be)"],
        [Buffer.from(csvText, "latin1"), { encoding: "latin1" }, "csv (latin1)"],
        [
          csvText.replaceAll("'", "").replaceAll('"', "'").replace("say ''no''", 'say "no"'),
          { quote: "'" },
          "csv (' as quote)"
        ],
        [gzipSync(csvText), {}, "csv (gzip)"],
        [zstdCompressSync(csvText), {}, "csv (zstd)"],
        [gzipSync(JSON.stringify(rows)), {}, "json (gzip)"]
      ]
      for (const [content, more, format] of sources) {
        const outcome = yield* run(join(folderOf({ source: content }), "source"), more)
        expect([outcome.counts["format"], rowsOf(outcome)]).toEqual([format, expected])
      }
    })
  )

  it.effect("reads Arrow files and streams, and Parquet with lists, dates and whole numbers", () =>
    Effect.gen(function* () {
      const columns = {
        text: vectorFromArray(
          rows.map(({ text }) => text),
          new Utf8()
        ),
        label: vectorFromArray(rows.map(({ label }) => label)),
        weight: vectorFromArray([1, 2, 3], new Float64())
      }
      for (const kind of ["file", "stream"] as const) {
        const path = join(folderOf({ source: tableToIPC(new Table(columns), kind) }), "source")
        const outcome = yield* run(path, kind === "file" ? {} : { format: "arrow" })
        expect([outcome.counts["format"], rowsOf(outcome)]).toEqual(["arrow", expected])
        const seen = yield* Effect.promise(() =>
          peek(path, decoded({ source: "x", format: kind === "file" ? "auto" : "arrow" }))
        )
        expect(seen.columns).toEqual(["text", "label", "weight"])
      }
      const parquet = new URL("testdata/people.parquet", import.meta.url).pathname
      const outcome = yield* run(parquet, {
        columns: { label: "names" },
        task: "multi-label-classification",
        keep: ["day", "count", "score"]
      })
      const found = table(outcome)
      expect(outcome.counts["format"]).toBe("parquet")
      expect(reader.strings(found, "text")).toEqual(["first", "zweite 🙂", "third"])
      expect(reader.textLists(found, "label")).toEqual([["a", "b"], [], ["b"]])
      expect(reader.nullableStrings(found, "count")).toEqual(["1", "9007199254740993", null])
      expect(reader.nullableStrings(found, "day")).toEqual([
        "2020-01-02T00:00:00.000Z",
        "1999-12-31T00:00:00.000Z",
        null
      ])
    })
  )

  it.effect(
    "takes a row a line from plain text with the file's name as label, and a file a row from folders by label",
    () =>
      Effect.gen(function* () {
        const folder = folderOf({
          "lines/pos.txt": "good\r\n\nfine\n",
          "lines/neg.txt": "bad\n",
          "by/up/1.txt": "line 1\nline 2",
          "by/up/2.txt": "second",
          "by/down/a/b.txt": "deep",
          "by/.hidden": "x",
          "by/readme": "y"
        })
        const lines = yield* run(join(folder, "lines", "*.txt"), { format: "text" })
        expect(rowsOf(lines)).toEqual(["bad:neg", "good:pos", "fine:pos"])
        const byLabel = yield* run(join(folder, "by"), { keep: ["file"] })
        expect(rowsOf(byLabel)).toEqual(["deep:down", "line 1\nline 2:up", "second:up"])
        expect(byLabel.counts).toMatchObject({ format: "folder", dropped_unlabelled: 1 })
        expect(reader.nullableStrings(table(byLabel), "file")).toEqual(["down/a/b.txt", "up/1.txt", "up/2.txt"])
        const some = yield* run(join(folder, "by/*/*.txt"), { format: "folder" })
        expect(rowsOf(some), "of a pattern, too").toEqual(["line 1\nline 2:up", "second:up"])
        const file = peek(join(folder, "by/readme"), decoded({ source: "x", format: "folder" }))
        yield* Effect.promise(() => expect(file).rejects.toThrow("it is a file, and format: folder takes a folder"))
      })
  )

  it.effect("gives labels other names: of one class a row, of lists and of columns that are flags", () =>
    Effect.gen(function* () {
      const label_map = { up: "moved", down: "moved" }
      const folder = folderOf({
        "by/up/1.txt": "rises",
        "by/down/2.txt": "falls",
        "by/still/3.txt": "rests",
        "by/constructor/4.txt": "builds",
        "lists.jsonl": '{"text":"a","label":["up","down","still"]}\n{"text":"b","label":[]}',
        "flags.csv": "text,up,down,still\na,1,1,0\nb,0,0,1\n"
      })
      const byLabel = yield* run(join(folder, "by"), { label_map })
      expect(rowsOf(byLabel)).toEqual(["builds:constructor", "falls:moved", "rests:still", "rises:moved"])
      expect(byLabel.counts["labels"]).toEqual({ constructor: 1, moved: 2, still: 1 })
      const task = "multi-label-classification"
      const lists = yield* run(join(folder, "lists.jsonl"), { task, label_map, labels: ["still", "moved"] })
      expect(reader.textLists(table(lists), "label")).toEqual([["moved", "still"], []])
      const columns = { label: ["up", "down", "still"] }
      const flags = yield* run(join(folder, "flags.csv"), { task, label_map, columns })
      expect(reader.textLists(table(flags), "label")).toEqual([["moved"], ["still"]])
    })
  )

  it("a map of labels to what is not declared, or of a task without names, is a fault at its place", () => {
    const faultsOf = (params: object) =>
      ingest.types({ params: decoded({ source: "x", ...params }), inputs: {}, heads: {} }).faults
    expect(
      faultsOf({
        task: "text-classification",
        labels: ["ham", "spam"],
        label_map: { "spam-1": "spma", "ham-1": "ham" }
      })
    ).toMatchObject([{ path: ["with", "label_map", "spam-1"], hint: expect.stringContaining("spam") }])
    expect(faultsOf({ task: "text-regression", label_map: { a: "b" } })).toMatchObject([
      { path: ["with", "label_map"] }
    ])
  })

  it.effect("names the file of a pattern in which a row is bad", () =>
    Effect.gen(function* () {
      const folder = folderOf({
        "a.csv": csvText,
        "b.csv": "text,label\nx,y,z\n",
        "c.csv.gz": gzipSync(csvText).subarray(0, 60)
      })
      const error = yield* failure(run(join(folder, "[ab].csv")))
      expect(error.message).toBe("[ab].csv (b.csv):2: 3 fields where the header has 2")
      const cut = yield* failure(run(join(folder, "c.csv.gz")))
      expect(cut.message).toMatch(/^c.csv.gz:1: the gzip data is damaged or cut off/)
    })
  )
})

it("says of a source that is no text what it may be", async () => {
  const folder = folderOf({ noise: Uint8Array.of(1, 0, 2, 0), wide: Buffer.from("text,label\na,1\n", "utf16le") })
  await expect(peek(join(folder, "noise"), decoded({ source: "x" }))).rejects.toThrow(/NUL bytes: it is no text/)
  const wide = await peek(join(folder, "wide"), decoded({ source: "x", encoding: "utf-16le" }))
  expect(wide.columns).toEqual(["text", "label"])
})

it("says of a CSV with a title above its header where the header stands", async () => {
  const text = "Export 4.1\r\n\r\nbody;team\r\na;x\r\nb;y;z\r\nc;x\r\n"
  const path = join(folderOf({ source: text }), "source")
  const head = await peek(path, decoded({ source: "x" }))
  const params = decoded({ source: "x", task: "text-classification", columns: { text: "body", label: "team" } })
  expect(faultsOf(params, { source: head })).toEqual([
    {
      path: ["with", "source"],
      message: "the header of the source seems to stand in line 3, below 2 lines without fields",
      hint: "write skip_lines: 2"
    }
  ])
  const told = await look(path, { format: "auto", quote: '"', skip_lines: 2 })
  expect([told.columns, told.above]).toEqual([["body", "team"], undefined])
  expect((await look(path, { format: "auto", quote: '"', skip_lines: 0 })).above).toBe(2)
  const other = join(folderOf({ source: "body;team\na, b;x\nc, d;y\n" }), "source")
  expect((await look(other, { format: "auto", quote: '"', skip_lines: 0 })).above).toBeUndefined()
})

describe("shapes", () => {
  const text = (rows: ReadonlyArray<object>) =>
    join(folderOf({ source: rows.map((row) => JSON.stringify(row)).join("\n") }), "source")

  it.effect("pairs, whose identity is both texts in their order", () =>
    Effect.gen(function* () {
      const path = text([
        { premise: "a", hypothesis: "b", label: 1 },
        { premise: "b", hypothesis: "a", label: 1 },
        { premise: "a", hypothesis: "b", label: 0 }
      ])
      const outcome = yield* run(path, {
        task: "pair-classification",
        columns: { text_a: "premise", text_b: "hypothesis" }
      })
      const found = table(outcome)
      expect(reader.strings(found, "text_b")).toEqual(["b", "a", "b"])
      expect(outcome.counts).toMatchObject({ duplicates: 1, conflicting_labels: 1 })
      expect(new Set(reader.strings(found, "row_id")).size).toBe(3)
    })
  )

  it.effect("numbers to predict, with their spread as facts", () =>
    Effect.gen(function* () {
      const outcome = yield* run(
        text([
          { text: "a", label: 1.5 },
          { text: "b", label: "2.5" },
          { text: "c", label: "" }
        ]),
        { task: "text-regression" }
      )
      expect([...reader.float64s(table(outcome), "label")]).toEqual([1.5, 2.5])
      expect(outcome.outputs["rows"]!.facts).toEqual({
        rows: 2,
        task: "text-regression",
        target: { mean: 2, sd: 0.5, min: 1.5, max: 2.5 }
      })
      const error = yield* failure(run(text([{ text: "a", label: "high" }]), { task: "text-regression" }))
      expect(error.message).toMatch(/column "label" holds "high", not a number/)
    })
  )

  it.effect("sets of labels from lists, from text between separators, and from columns of true and false", () =>
    Effect.gen(function* () {
      const lists = yield* run(
        text([
          { text: "a", label: ["y", "x", "y"] },
          { text: "b", label: '["x"]' },
          { text: "c", label: "y, x" },
          { text: "d", label: [] }
        ]),
        { task: "multi-label-classification" }
      )
      expect(reader.textLists(table(lists), "label")).toEqual([["x", "y"], ["x"], ["x", "y"], []])
      expect(reader.declaredLabels(table(lists))).toEqual(["x", "y"])
      expect(lists.counts).toMatchObject({ labels: { x: 3, y: 2 }, rows_out: 4 })
      const flags = yield* run(
        text([
          { text: "a", x: 1, y: "true" },
          { text: "b", x: false, y: "" }
        ]),
        { task: "multi-label-classification", columns: { label: ["x", "y"] }, labels: ["y", "x"] }
      )
      expect(reader.textLists(table(flags), "label")).toEqual([["x", "y"], []])
      expect(flags.outputs["rows"]!.facts["labels"]).toEqual(["y", "x"])
      const other = yield* run(
        text([
          { text: "a", x: 1, y: "true" },
          { text: "b", x: false, y: "" }
        ]),
        { task: "multi-label-classification", columns: { label: ["x", "y"] } }
      )
      expect(other.outputs["rows"]!.content, "another order of the head is another content").not.toBe(
        flags.outputs["rows"]!.content
      )
    })
  )

  it.effect("texts alone, questions with answers, and conversations", () =>
    Effect.gen(function* () {
      const alone = yield* run(text([{ text: "a" }, { text: "" }]), { task: "unlabelled-text" })
      expect(table(alone).schema.names).toEqual(["row_id", "text"])
      const answers = yield* run(text([{ mr: "name[x]", ref: "It is x." }]), {
        task: "text-to-text",
        columns: { input: "mr", output: "ref" }
      })
      expect(reader.strings(table(answers), "output")).toEqual(["It is x."])
      const chat = yield* run(text([{ messages: [{ role: "user", content: "hi" }] }, { messages: [] }]), {
        task: "chat",
        max_bad_rows: 1
      })
      expect(reader.strings(table(chat), "messages")).toEqual(['[{"content":"hi","role":"user"}]'])
    })
  )
})

describe("selection", () => {
  const path = () =>
    join(
      folderOf({
        source: `text,label,lang,year\n${Array.from({ length: 20 }, (_, at) => `row ${at},${at % 2},${at < 5 ? "de" : "en"},${1990 + at}`).join("\n")}`
      }),
      "source"
    )

  it.effect("takes rows by expression and by position, and keeps further columns", () =>
    Effect.gen(function* () {
      const outcome = yield* run(path(), {
        where: 'lang == "en" and year < 2000 and length(text) == 5',
        keep: ["lang", "year"]
      })
      expect(rowsOf(outcome)).toEqual(["row 5:1", "row 6:0", "row 7:1", "row 8:0", "row 9:1"])
      expect(reader.nullableStrings(table(outcome), "year")).toEqual(["1995", "1996", "1997", "1998", "1999"])
      expect(outcome.counts).toMatchObject({ rows_in: 20, not_selected: 15, rows_out: 5 })
      expect(rowsOf(yield* run(path(), { rows: "18.." }))).toEqual(["row 18:0", "row 19:1"])
    })
  )

  it("tells what is wrong with a selection, and what a source without task or columns may be, before anything runs", async () => {
    const faults = async (params: object) => {
      const decodedParams = decoded({ source: "x", ...params })
      const head = await peek(path(), decodedParams)
      return ingest
        .types({ params: decodedParams, inputs: {}, heads: { source: head } })
        .faults.map(({ hint, message }) => `${message}\n${hint}`)
    }
    expect(await faults({})).toEqual([
      "`task` is missing: what are the rows for?\nthe source looks like task: text-classification"
    ])
    expect(await faults({ task: "text-classification", where: "yaer > 3", rows: "5..2", keep: ["land"] })).toEqual([
      'the source has no column "land"; it has text, label, lang, year\ndid you mean `lang`?',
      "`5..2` holds no row\nthe end is not taken: 0..1 is the first row alone",
      "there is no column `yaer`, at character 1 of\n  yaer > 3\n  ^\ndid you mean `year`?"
    ])
    expect((await faults({ task: "pair-classification" }))[0]).toMatch(
      /no column "text_a".*\nthe source looks like task: text-classification/
    )
    expect(await faults({ task: "text-classification", columns: { text_a: "text" } })).toEqual([
      "text-classification has no column `text_a`\ndid you mean `text`?"
    ])
    expect(await faults({ task: "text-regression", labels: ["a"] })).toEqual([
      "text-regression has no label names\nleave labels out"
    ])
  })

  it.effect("leaves out as many bad rows as are allowed, and says where the first is", () =>
    Effect.gen(function* () {
      const source = join(folderOf({ source: "text,label\na,1\nb\nc,2\nd,e,f\n" }), "source")
      const outcome = yield* run(source, { max_bad_rows: 2 })
      expect(rowsOf(outcome)).toEqual(["a:1", "c:2"])
      expect(outcome.counts["bad_rows"]).toBe(2)
      expect(outcome.warnings[0]).toBe(
        "2 bad rows left out: source:3: 1 fields where the header has 2 (and 1 more row with a fault)"
      )
      expect((yield* failure(run(source, { max_bad_rows: 1 }))).message).toMatch(
        /source:3: .* \(and 1 more row with a fault\); max_bad_rows allows 1/
      )
    })
  )

  it.effect("is not told to leave out what follows a fault that ends the reading", () =>
    Effect.gen(function* () {
      const source = (text: Uint8Array) => join(folderOf({ source: text }), "source")
      const latin = source(Buffer.from("text,label\na,1\nb\ncaf\xe9,1\nd,2\n", "latin1"))
      const error = yield* failure(run(latin, { max_bad_rows: 9 }))
      expect([error.code, error.message, error.hint]).toEqual([
        "unreadable",
        "source:4: the line is not UTF-8 text (is it encoding: latin1?), and nothing after it can be read; 1 other row has a fault, the first source:3: 1 fields where the header has 2",
        "mend the file, or choose how it is read: format, delimiter, quote, encoding"
      ])
      const quote = source(Buffer.from('text,label\n"a,1\nb,2\n'))
      expect((yield* failure(run(quote, { max_bad_rows: 9 }))).message).toMatch(/^source:2: the quote .* is not closed/)
    })
  )

  it.effect("warns of labels that differ in case or spaces alone, and of names for labels that no row has", () =>
    Effect.gen(function* () {
      const path = join(folderOf({ source: "text,label\na,Spam\nb,spam \nc,ham\n" }), "source")
      expect((yield* run(path)).warnings).toEqual([
        'labels "Spam" and "spam " differ in case or spaces alone: label_map makes one of them'
      ])
      expect((yield* run(path, { label_map: { "spam ": "Spam", hma: "good" } })).warnings).toEqual([
        'label_map names "hma", which no row has: did you mean "ham"?'
      ])
    })
  )

  it.effect("reads below lines that stand above the header", () =>
    Effect.gen(function* () {
      const path = join(folderOf({ source: "Export;\n\ntext;label\na;1\nb\n" }), "source")
      const outcome = yield* run(path, { skip_lines: 2, max_bad_rows: 1 })
      expect(rowsOf(outcome)).toEqual(["a:1"])
      expect(outcome.counts["format"]).toBe("csv (semicolons between fields, 2 lines above the header)")
      expect(outcome.warnings[0]).toMatch(/source:5: 1 fields/)
    })
  )

  it.effect("takes sources by their weights", () =>
    Effect.gen(function* () {
      const lines = (name: string, count: number) =>
        `text,label\n${Array.from({ length: count }, (_, at) => `${name} ${at},${at % 2}`).join("\n")}\n`
      const folder = folderOf({ "big.csv": lines("big", 100), "small.csv": lines("small", 30) })
      const both = (more: object, weights?: readonly [number, number]) =>
        runStage(bench, ingest, {
          with: {
            task: "text-classification",
            source: ["big.csv", "small.csv"].map((source, at) =>
              weights === undefined ? source : { source, weight: weights[at] }
            ),
            ...more
          },
          sources: { "source/0": sourceAt(join(folder, "big.csv")), "source/1": sourceAt(join(folder, "small.csv")) },
          seed: 7
        })
      expect((yield* both({})).counts["sources"]).toEqual({ "big.csv": 100, "small.csv": 30 })
      expect((yield* both({ sample: 26 })).counts["sources"]).toEqual({ "big.csv": 20, "small.csv": 6 })
      expect((yield* both({ sample: 20 }, [1, 1])).counts).toMatchObject({
        sources: { "big.csv": 10, "small.csv": 10 },
        labels: { "0": 10, "1": 10 }
      })
      const limited = yield* both({ sample: 100 }, [1, 3])
      expect(limited.counts["sources"]).toEqual({ "big.csv": 10, "small.csv": 30 })
      expect(limited.warnings).toContain("sample asks for 100 rows where 40 can be had by these weights")
    })
  )
})
