import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Writable } from "node:stream"
import { gzipSync } from "node:zlib"
import { afterAll, assert, it } from "@effect/vitest"
import { type InputArtifact, StageError } from "@hone/core/Stage"
import { Effect } from "effect"
import { parquetReadObjects, asyncBufferFromFile } from "hyparquet"
import { tableFromIPC } from "apache-arrow"
import { type Column, float64, labelDictionary, labels, listUtf8, utf8 } from "../arrow/columns.ts"
import { float32Lists, float64s, readTable, strings, textLists } from "../arrow/reader.ts"
import { writeTable } from "../arrow/writer.ts"
import { evaluate } from "../evaluate/index.ts"
import { folderIn, keep, makeBench, runStage } from "../testing/context.ts"
import { testEngine as engine, tinyModel } from "../testing/models.ts"
import { tinyTokenizer } from "../testing/tokenizers.ts"
import { tokenize } from "../tokenize/index.ts"
import { openPredictor, type Tokenizing } from "./Predictor.ts"
import { predictRows, type PredictWork } from "./predictRows.ts"
import { fileSink, type OutputFormat, streamSink } from "./sinks.ts"

const bench = makeBench()
afterAll(() => bench.dispose())

const tokenizer = tinyTokenizer(bench)
const head = { pooling: "mean", labels: ["neg", "pos"], dropout: 0 } as const
const model = tinyModel(bench, { head, tokenizer: tokenizer.content })
const tokenizing: Tokenizing = { max_length: 12, truncate: "head_tail", allow_empty: false }

const words = ["good", "bad", "film", "plot", "the", "a", "was", "and", "very", "not", "unheard"]
/** Texts of 1 to 20 words: the longest are cut. */
const texts = (count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, row) =>
    Array.from({ length: 1 + ((row * 7) % 20) }, (_, at) => words[(row * 5 + at * at + at) % words.length]!).join(" ")
  )

let made = 0
const place = (name: string): string => join(folderIn(bench, `predict-${made++}`), name)

const written = (name: string, bytes: string | Uint8Array): string => {
  const path = place(name)
  writeFileSync(path, bytes)
  return path
}

const predicting = (
  work: Partial<PredictWork> & Pick<PredictWork, "input" | "sink">,
  how: Partial<Tokenizing> = {},
  by: { readonly model: InputArtifact; readonly pairs: boolean } = { model, pairs: false }
) =>
  Effect.gen(function* () {
    const predictor = yield* openPredictor({
      ...by,
      tokenizer,
      tokenizing: { ...tokenizing, ...how },
      engine,
      blobPath: (blob) => bench.blobs.get(blob)!,
      batch_size: 32
    })
    return yield* predictRows({
      shown: "x",
      reading: { quote: '"', skip_lines: 0 },
      texts: [{ name: "text", column: "text" }],
      id: undefined,
      withText: false,
      done: () => {},
      ...work,
      predictor
    })
  }).pipe(Effect.scoped)

/** What the pipeline's own tokenize and evaluate steps say of rows with these columns. */
const evaluatedTable = (columns: Readonly<Record<string, Column>>, count: number, by: InputArtifact) =>
  Effect.gen(function* () {
    const folder = folderIn(bench, `rows-${made++}`)
    const row_id = utf8(Array.from({ length: count }, (_, row) => `row${row}`))
    const written = writeTable(folder, "rows.arrow", { row_id, ...columns }, { facts: { rows: count } })
    const rows = keep(bench, folder, written)
    const tokens = yield* runStage(bench, tokenize, { inputs: { rows, tokenizer }, with: { ...tokenizing } })
    const inputs: Record<string, InputArtifact> = { model: by, rows: tokens.outputs["tokens"]! }
    const { outputs } = yield* runStage(bench, evaluate, { stage: "predictions", engine, inputs })
    return { table: readTable(outputs["predictions"]!), cut: tokens.counts["truncated"] }
  })

const evaluated = (of: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const label = labels(new Int32Array(of.length), labelDictionary(["neg", "pos"]))
    const { cut, table } = yield* evaluatedTable({ text: utf8(of), label }, of.length, model)
    return { predicted: strings(table, "predicted"), scores: float32Lists(table, "scores"), cut }
  })

const jsonLines = (path: string) =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, any>)

it.effect("gives the very predictions that tokenize and evaluate give, cut where they cut", () =>
  Effect.gen(function* () {
    const of = texts(150)
    const expected = yield* evaluated(of)
    const out = place("y.jsonl")
    const input = { path: written("x.jsonl", of.map((text) => JSON.stringify({ text })).join("\n")) }
    const counts = yield* predicting({ input, sink: fileSink(out, "jsonl") })
    const lines = jsonLines(out)
    assert.deepStrictEqual(
      lines.map(({ predicted }) => predicted),
      expected.predicted
    )
    lines.forEach(({ scores }, row) => {
      assert.strictEqual(Math.fround(scores.neg), expected.scores[row]![0])
      assert.strictEqual(Math.fround(scores.pos), expected.scores[row]![1])
    })
    assert.deepStrictEqual(
      lines.map(({ row }) => row),
      of.map((_, row) => row + 1)
    )
    assert.isAbove(counts.cut, 10)
    assert.deepStrictEqual([counts.rows, counts.cut], [150, expected.cut])
    assert.strictEqual(counts.predicted["pos"], expected.predicted.filter((label) => label === "pos").length)
  })
)

it.effect("a regression gives numbers, several labels a list, a pair reads both texts: as evaluate does", () =>
  Effect.gen(function* () {
    const of = texts(40)
    const others = of.toReversed()
    const names = ["joy", "rage", "tears"]
    const modelFor = (task: string, labels: ReadonlyArray<string>) =>
      tinyModel(bench, { head: { pooling: "mean", labels, dropout: 0 }, task, tokenizer: tokenizer.content, seed: 3 })
    const lines = (by: InputArtifact, rows: ReadonlyArray<object>, work: Partial<PredictWork> = {}, pairs = false) =>
      Effect.gen(function* () {
        const out = place("y.jsonl")
        const input = { path: written("x.jsonl", rows.map((row) => JSON.stringify(row)).join("\n")) }
        yield* predicting({ input, sink: fileSink(out, "jsonl"), ...work }, {}, { model: by, pairs })
        return jsonLines(out)
      })

    const regression = modelFor("text-regression", ["value"])
    const numbers = (yield* evaluatedTable({ text: utf8(of), label: float64(new Float64Array(40)) }, 40, regression))
      .table
    const numbered = yield* lines(
      regression,
      of.map((text) => ({ text }))
    )
    assert.deepStrictEqual(Object.keys(numbered[0]!), ["row", "predicted"])
    numbered.forEach(({ predicted }, row) => assert.closeTo(predicted, float64s(numbers, "predicted")[row]!, 1e-6))

    const several = modelFor("multi-label-classification", names)
    const lists = (yield* evaluatedTable({ text: utf8(of), label: listUtf8(of.map(() => names)) }, 40, several)).table
    const listed = yield* lines(
      several,
      of.map((text) => ({ text }))
    )
    assert.deepStrictEqual(
      listed.map(({ predicted }) => predicted),
      textLists(lists, "predicted").map((list) => [...list])
    )
    assert.deepStrictEqual(Object.keys(listed[0]!["scores"]), names)

    const paired = modelFor("pair-classification", ["neg", "pos"])
    const label = labels(new Int32Array(40), labelDictionary(["neg", "pos"]))
    const pairs = (yield* evaluatedTable({ text_a: utf8(of), text_b: utf8(others), label }, 40, paired)).table
    const columns = {
      texts: [
        { name: "text_a", column: "first" },
        { name: "text_b", column: "text_b" }
      ],
      withText: true
    }
    const both = yield* lines(
      paired,
      of.map((first, row) => ({ first, text_b: others[row] })),
      columns,
      true
    )
    assert.deepStrictEqual(
      both.map(({ predicted }) => predicted),
      strings(pairs, "predicted")
    )
    both.forEach(({ scores, text_b }, row) => {
      assert.closeTo(scores.pos, float32Lists(pairs, "scores")[row]![1]!, 1e-7)
      assert.strictEqual(text_b, others[row])
    })
  })
)

it.effect("more rows than a window holds keep their order and their predictions", () =>
  Effect.gen(function* () {
    const of = texts(4500)
    const expected = yield* evaluated(of)
    const out = place("y.csv")
    const windows: Array<number> = []
    const input = { path: written("x.csv", `text\n${of.join("\n")}\n`) }
    yield* predicting({ input, sink: fileSink(out, "csv"), done: (rows) => void windows.push(rows) })
    const [header, ...lines] = readFileSync(out, "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(","))
    assert.deepStrictEqual(header, ["row", "predicted", "score", "score_neg", "score_pos"])
    assert.deepStrictEqual(windows, [4096, 4500])
    assert.deepStrictEqual(
      lines.map(([row]) => Number(row)),
      of.map((_, row) => row + 1)
    )
    lines.forEach((line, row) => assert.closeTo(Number(line[4]), expected.scores[row]![1]!, 1e-5))
  })
)

const odd = [
  { id: "a", text: "good film" },
  { id: "b,c", text: 'a "bad" plot, and\nnot good' },
  { id: "d", text: "" },
  { id: "e", text: "the film was very good" }
]
const csv = 'id,text\na,good film\n"b,c","a ""bad"" plot, and\nnot good"\nd,\ne,the film was very good\n'

it.effect("writes the same rows as CSV, JSONL, Parquet and Arrow; one without a text has no prediction", () =>
  Effect.gen(function* () {
    const files: Record<string, string> = {}
    for (const format of ["csv", "jsonl", "parquet", "arrow"] as const satisfies ReadonlyArray<OutputFormat>) {
      files[format] = place(`y.${format}`)
      const counts = yield* predicting({
        input: { path: written("x", csv) },
        sink: fileSink(files[format], format),
        withText: true
      })
      assert.deepInclude(counts, { rows: 4, empty: 1 })
    }
    const lines = jsonLines(files["jsonl"]!)
    assert.deepStrictEqual(
      lines.map(({ id, text }) => ({ id, text })),
      odd
    )
    assert.deepInclude(lines[2], { predicted: null, score: null, scores: null })
    const parquet = yield* Effect.promise(async () =>
      parquetReadObjects({ file: await asyncBufferFromFile(files["parquet"]!) })
    )
    const arrow = tableFromIPC(readFileSync(files["arrow"]!))
      .toArray()
      .map((row) => row.toJSON())
    lines.forEach(({ id, predicted, score, scores, text }, row) => {
      const wide = { id, text, predicted }
      for (const table of [parquet, arrow]) {
        assert.deepInclude(table[row], wide)
        assert.strictEqual(table[row].score === null, score === null)
        if (score !== null) assert.closeTo(table[row].score_pos, scores.pos, 1e-8)
      }
    })
    const text = readFileSync(files["csv"]!, "utf8")
    assert.include(text, '\n"b,c","a ""bad"" plot, and\nnot good",')
    assert.include(text, "\nd,,,,,\n")
  })
)

it.effect("reads what ingest reads: gzip, JSON, and tables it wrote itself", () =>
  Effect.gen(function* () {
    const sources = {
      "x.csv.gz": gzipSync(csv),
      "x.json": JSON.stringify(odd),
      "x.tsv": "text\tid\ngood film\ta\n"
    }
    for (const [name, bytes] of Object.entries(sources)) {
      const out = place("y.parquet")
      yield* predicting({ input: { path: written(name, bytes) }, sink: fileSink(out, "parquet"), withText: true })
      const again = place("z.jsonl")
      yield* predicting({ input: { path: out }, sink: fileSink(again, "jsonl") })
      assert.strictEqual(jsonLines(again)[0]!["id"], "a")
      assert.isString(jsonLines(again)[0]!["predicted"])
    }
  })
)

it.effect("JSON lines stream through without a file", () =>
  Effect.gen(function* () {
    let said = ""
    const stream = new Writable({ write: (chunk, _, done) => ((said += String(chunk)), done()) })
    const bytes = async function* () {
      yield Buffer.from('{"text": "good fi')
      yield Buffer.from('lm"}\n{"text": "bad"}')
    }
    yield* predicting({ input: { jsonl: bytes() }, sink: streamSink(stream) })
    assert.deepStrictEqual(
      said
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { row: number }).row),
      [1, 2]
    )
  })
)

const failure = (effect: Effect.Effect<unknown, unknown>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.instanceOf(error, StageError)
    return error as StageError
  })

it.effect("a bad row names its line and leaves no file, nor a part of one; what was there stays", () =>
  Effect.gen(function* () {
    for (const format of ["csv", "jsonl", "parquet", "arrow"] as const) {
      const out = written(`y.${format}`, "before")
      const input = { path: written("x.csv", "text,id\ngood,1\nbad,2,3\n") }
      const error = yield* failure(predicting({ input, sink: fileSink(out, format), shown: "x.csv" }))
      assert.deepStrictEqual([error.code, error.message.split(": ")[0]], ["bad_row", "x.csv:3"])
      assert.deepStrictEqual(readdirSync(join(out, "..")), [`y.${format}`])
      assert.strictEqual(readFileSync(out, "utf8"), "before")
    }
  })
)

it.effect("faults say what would do", () =>
  Effect.gen(function* () {
    const input = { path: written("x.csv", "texts,label\ngood,pos\n") }
    const out = place("y.csv")
    const column = yield* failure(predicting({ input, sink: fileSink(out, "csv"), shown: "x.csv" }))
    assert.strictEqual(column.message, 'x.csv has no column "text"; it has texts, label')
    assert.include(column.hint, "--text")
    assert.isFalse(existsSync(out))
    const long = { path: written("long.csv", `text\n${"good ".repeat(30)}\n`) }
    assert.strictEqual(
      (yield* failure(predicting({ input: long, sink: fileSink(out, "csv") }, { truncate: "fail" }))).code,
      "too_long"
    )
    const dropped = yield* predicting({ input: long, sink: fileSink(out, "csv") }, { truncate: "drop" })
    assert.deepInclude(dropped, { rows: 1, too_long: 1 })
    const headless = openPredictor({
      model: tinyModel(bench),
      tokenizer,
      tokenizing,
      pairs: false,
      engine,
      blobPath: (blob) => bench.blobs.get(blob)!,
      batch_size: 32
    })
    assert.strictEqual((yield* failure(Effect.scoped(headless))).code, "no_head")
  })
)

it.effect("a file with a header alone gives a file with a header alone", () =>
  Effect.gen(function* () {
    for (const format of ["csv", "parquet", "arrow"] as const) {
      const out = place(`y.${format}`)
      const counts = yield* predicting({ input: { path: written("x.csv", "text\n") }, sink: fileSink(out, format) })
      assert.strictEqual(counts.rows, 0)
      assert.isTrue(existsSync(out))
    }
  })
)
