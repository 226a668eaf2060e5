import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, it } from "@effect/vitest"
import type { InputArtifact, StageError } from "@hone/core/Stage"
import { Effect } from "effect"
import { type Column, labelDictionary, labels, listUtf8, utf8 } from "../arrow/columns.ts"
import { readTable, strings, textLists } from "../arrow/reader.ts"
import { writeTable } from "../arrow/writer.ts"
import { base } from "../base/index.ts"
import { evaluate } from "../evaluate/index.ts"
import { readFolder } from "../export/folder.ts"
import { exportStep } from "../export/index.ts"
import { folderIn, keep, makeBench, runStage } from "../testing/context.ts"
import { testEngine as engine, tinyModel } from "../testing/models.ts"
import { tinyTokenizer } from "../testing/tokenizers.ts"
import { tokenize } from "../tokenize/index.ts"
import { openPredictor } from "./Predictor.ts"
import { predictRows } from "./predictRows.ts"
import { fileSink } from "./sinks.ts"

const bench = makeBench()
afterAll(() => bench.dispose())

const tokenizer = tinyTokenizer(bench)
const words = ["good", "bad", "film", "plot", "the", "a", "was", "and", "very", "not"]
/** Texts that no other part has: `part` shifts the words. */
const texts = (part: number): ReadonlyArray<string> =>
  Array.from({ length: 60 }, (_, row) =>
    Array.from({ length: 2 + ((row * 7 + part) % 9) }, (_, at) => words[(row * (3 + part) + at * at) % 10]!).join(" ")
  )
const tokenizing = { max_length: 12, truncate: "head_tail", allow_empty: false } as const

/** A kind of labels: names of a head, and which of them hold of a row, by a rule that no model here has learned. */
interface Kind {
  readonly task: string
  readonly names: ReadonlyArray<string>
  readonly column: (rows: ReadonlyArray<number>) => Column
}
const kinds: ReadonlyArray<Kind> = [
  {
    task: "text-classification",
    names: ["pos", "neg"], // not in the order of the alphabet: thresholds go by name
    column: (rows) =>
      labels(
        Int32Array.from(rows, (row) => (row % 4 === 0 ? 1 : 0)),
        labelDictionary(["neg", "pos"])
      )
  },
  {
    task: "multi-label-classification",
    names: ["joy", "rage", "tears"],
    column: (rows) => listUtf8(rows.map((row) => ["joy", "rage", "tears"].filter((_, at) => row % (at + 2) === 0)))
  }
]

let made = 0
const predictionsOf = (part: number, { column, names }: Kind, model: InputArtifact) =>
  Effect.gen(function* () {
    const of = texts(part)
    const folder = folderIn(bench, `rows-${made++}`)
    const row_id = utf8(of.map((_, row) => `${part}-${row}`))
    const label = column([...of.keys()])
    const metadata = names.length === 2 ? {} : { "hone.labels": JSON.stringify(names) }
    const written = writeTable(folder, "r.arrow", { row_id, text: utf8(of), label }, { facts: { rows: 60 }, metadata })
    const rows = keep(bench, folder, written)
    const tokens = yield* runStage(bench, tokenize, { inputs: { rows, tokenizer }, with: { ...tokenizing } })
    const inputs = { model, rows: tokens.outputs["tokens"]! }
    return (yield* runStage(bench, evaluate, { stage: "predictions", engine, inputs })).outputs["predictions"]!
  })

const decided = (artifact: InputArtifact) => {
  const table = readTable(artifact)
  return (artifact.facts["labels"] as ReadonlyArray<string>).length === 2
    ? strings(table, "predicted")
    : textLists(table, "predicted").map((list) => [...list])
}

/** What `hone predict` writes of these texts. */
const predicted = (part: number, model: InputArtifact, thresholds?: Readonly<Record<string, number>>) =>
  Effect.gen(function* () {
    const folder = folderIn(bench, `predict-${made++}`)
    const [path, out] = [join(folder, "x.jsonl"), join(folder, "y.jsonl")]
    writeFileSync(
      path,
      texts(part)
        .map((text) => JSON.stringify({ text }))
        .join("\n")
    )
    const predictor = yield* openPredictor({
      model,
      // That of an exported folder has two files more, and so another digest; the ids are the same.
      tokenizer: { ...tokenizer, content: model.facts["tokenizer"] as string },
      tokenizing,
      pairs: false,
      engine,
      blobPath: (blob) => bench.blobs.get(blob)!,
      batch_size: 32,
      thresholds
    })
    const counts = yield* predictRows({
      input: { path },
      shown: "x",
      reading: { quote: '"', delimiter: ",", encoding: "utf-8", skip_lines: 0 },
      texts: [{ name: "text", column: "text" }],
      id: undefined,
      withText: false,
      predictor,
      sink: fileSink(out, "jsonl"),
      done: () => {}
    })
    const lines = readFileSync(out, "utf8").trim().split("\n")
    const rows = lines.map((line) => JSON.parse(line) as { predicted: any; score?: number; scores: any })
    return { rows, counts }
  }).pipe(Effect.scoped)

it.effect.each(kinds)(
  "what validation chose is what evaluate, predict and the exported folder decide by: $task",
  (kind) =>
    Effect.gen(function* () {
      const { names, task } = kind
      const head = { pooling: "mean", labels: names, dropout: 0 } as const
      const model = tinyModel(bench, { head, task, tokenizer: tokenizer.content, seed: 3 })
      const [validation, test] = [yield* predictionsOf(0, kind, model), yield* predictionsOf(1, kind, model)]
      const { outputs } = yield* runStage(bench, evaluate, {
        stage: "metrics",
        inputs: { predictions: test, thresholds_from: validation },
        with: { resamples: 0 }
      })
      const metrics = outputs["metrics"]!
      const thresholds = metrics.facts["thresholds"] as Readonly<Record<string, number>>
      assert.deepStrictEqual(Object.keys(thresholds), names.length === 2 ? ["pos"] : [...names])
      const byEvaluate = decided(outputs["decisions"]!)
      assert.notDeepEqual(byEvaluate, decided(test), "the thresholds decide otherwise than the scores alone")

      const { counts, rows } = yield* predicted(1, model, thresholds)
      assert.deepStrictEqual(
        rows.map((row) => row.predicted),
        byEvaluate
      )
      for (const name of names)
        assert.strictEqual(counts.predicted[name], byEvaluate.flat().filter((of) => of === name).length)
      if (names.length === 2) for (const row of rows) assert.strictEqual(row.score, row.scores[row.predicted])

      const exported = yield* runStage(bench, exportStep, { inputs: { model, tokenizer, metrics } })
      const folder = folderIn(bench, `exported-${made++}`)
      for (const { name, pieces } of readFolder(exported.outputs["folder"]!))
        writeFileSync(join(folder, name), Buffer.concat([...pieces()]))
      const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Record<string, unknown>
      assert.deepStrictEqual(config["decision_thresholds"], thresholds)
      assert.include(readFileSync(join(folder, "README.md"), "utf8"), "## Decisions")

      const again = yield* runStage(bench, base, {
        with: { model: folder },
        sources: { model: { path: folder, spec: folder, format: "huggingface-folder", digest: "0".repeat(64) } }
      })
      assert.deepStrictEqual(
        (yield* predicted(1, again.outputs["model"]!)).rows.map((row) => row.predicted),
        byEvaluate
      )
    })
)

it.effect("thresholds, and figures, of another model are refused", () =>
  Effect.gen(function* () {
    const [kind] = kinds
    const head = { pooling: "mean", labels: kind!.names, dropout: 0 } as const
    const [model, other] = [4, 5].map((seed) => tinyModel(bench, { head, tokenizer: tokenizer.content, seed }))
    const inputs = {
      predictions: yield* predictionsOf(1, kind!, model!),
      thresholds_from: yield* predictionsOf(0, kind!, other!)
    }
    const failure = yield* Effect.flip(runStage(bench, evaluate, { stage: "metrics", inputs }))
    assert.strictEqual((failure as StageError).code, "thresholds_of_another_model")
    const { outputs } = yield* runStage(bench, evaluate, {
      stage: "metrics",
      inputs: { predictions: inputs.predictions },
      with: { resamples: 0 }
    })
    const exporting = runStage(bench, exportStep, {
      inputs: { model: other!, tokenizer, metrics: outputs["metrics"]! }
    })
    assert.strictEqual(((yield* Effect.flip(exporting)) as StageError).code, "metrics_of_another_model")
  })
)
