import { cpSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, it } from "@effect/vitest"
import type { InputArtifact, StageError } from "@hone/core/Stage"
import { parseBertConfig } from "@hone/nn"
import { openSafetensors, safetensorsHeader } from "@hone/nn/weights/safetensors"
import { Effect, Schema } from "effect"
import { readModel } from "../artifacts/model.ts"
import { float64s, readTable, strings } from "../arrow/reader.ts"
import { base } from "../base/index.ts"
import { exportStep } from "../export/index.ts"
import { readTokens } from "../tensors/tokens.ts"
import { folderIn, makeBench, runStage } from "../testing/context.ts"
import { testEngine as engine, tinyModel, type TinyRow, tokensArtifact } from "../testing/models.ts"
import { wordPieces, wordPiecesJson } from "../testing/tokenizers.ts"
import { sentenceRows } from "./documents.ts"
import { train } from "./index.ts"
import { maskedValidation } from "./maskedRows.ts"
import { maskVocabulary } from "./maskVocabulary.ts"
import { TrainParams } from "./params.ts"

const bench = makeBench()
afterAll(() => bench.dispose())
const blobPath = (blob: string) => bench.blobs.get(blob)!

const golden = fileURLToPath(new URL("../../../../test/golden/bert-pretraining", import.meta.url))
const STOP = 59

let made = 0
/** The golden model with a tokenizer for its 60 words, in a folder that a test may change. */
const folderOf = (): string => {
  const folder = folderIn(bench, `pretraining-${made++}`)
  for (const name of ["config.json", "model.safetensors"]) cpSync(join(golden, name), join(folder, name))
  writeFileSync(join(folder, "tokenizer.json"), wordPiecesJson(60))
  return folder
}

const baseOf = (path: string) =>
  runStage(bench, base, {
    with: { model: path },
    sources: { model: { path, spec: path, format: "huggingface-folder", digest: "0".repeat(64) } }
  })

/** Rows of three sentences, each a document: what a word says in its first sentence it says in all. */
const documents = (count: number, words: number): ReadonlyArray<TinyRow> =>
  Array.from({ length: count }, (_, row) => {
    const word = 4 + ((row * 7) % words)
    const sentence = (at: number) => [...Array(1 + ((row + at) % 2)).fill(word), STOP]
    return { row_id: `d${row}`, label: "none", input_ids: [1, ...sentence(0), ...sentence(1), ...sentence(2), 2] }
  })

const losses = (history: InputArtifact, of: string) => {
  const table = readTable(history)
  const all = float64s(table, "loss")
  return strings(table, "part").flatMap((part, row) => (part === of ? [all[row]!] : []))
}

it.effect(
  "the heads of a checkpoint are kept, and give transformers' losses of the pairs and masks that are drawn",
  () =>
    Effect.gen(function* () {
      const { outputs, warnings } = yield* baseOf(folderOf())
      assert.deepStrictEqual(warnings, [])
      const model = readModel(outputs["model"]!, blobPath)
      const file = yield* Effect.promise(() => openSafetensors(join(golden, "model.safetensors")))
      for (const name of [
        "cls.predictions.bias",
        "cls.predictions.transform.dense.weight",
        "cls.seq_relationship.weight"
      ])
        assert.deepStrictEqual(model.read(name), yield* Effect.promise(() => file.read(name)))
      yield* Effect.promise(() => file.close())

      const rows = tokensArtifact(bench, documents(8, 50))
      const config = parseBertConfig(model.manifest.config)
      const vocabulary = maskVocabulary(outputs["tokenizer"]!)
      const tokens = yield* readTokens("validation", rows, { config, tokenizer: null })
      const pairs = yield* sentenceRows("validation", tokens, {
        config,
        vocabulary,
        document: undefined,
        max_length: 16
      })
      const drawn = maskedValidation(pairs.rows, config, { vocabulary, probability: 0.15, wholeWords: true })
      const feeds = drawn.feeds([...pairs.rows.rowIds.keys()])
      const told = JSON.stringify(feeds, (_, value) => (ArrayBuffer.isView(value) ? [...(value as Int32Array)] : value))
      const path = join(golden, "drawn.json")
      if (process.env["WRITE_DRAWN"]) writeFileSync(path, `${told}\n`)
      assert.deepStrictEqual(JSON.parse(told), JSON.parse(readFileSync(path, "utf8")), "make.py has seen other pairs")

      const outcome = yield* runStage(bench, train, {
        stage: "fit",
        engine,
        with: { objective: "mlm", next_sentence: true, learning_rate: 1e-30, epochs: 1 },
        inputs: { model: outputs["model"]!, tokenizer: outputs["tokenizer"]!, train: rows, validation: rows }
      })
      const { drawn: expected } = JSON.parse(readFileSync(join(golden, "goldens.json"), "utf8")) as {
        drawn: { masked_loss: number; next_sentence_loss: number }
      }
      const [loss] = losses(outcome.outputs["history"]!, "validation")
      assert.closeTo(loss!, expected.masked_loss + expected.next_sentence_loss, 1e-5)
      assert.deepStrictEqual(
        outcome.log.filter((line) => line.startsWith("new from the seed")),
        []
      )
    })
)

it.effect("a decoder of its own is no head that can go on: it is left out, with the reason", () =>
  Effect.gen(function* () {
    const folder = folderOf()
    const file = yield* Effect.promise(() => openSafetensors(join(golden, "model.safetensors")))
    const tensors = yield* Effect.forEach([...file.tensors.values()], ({ name, shape }) =>
      Effect.map(
        Effect.promise(() => file.read(name)),
        (values) => ({ name, shape, values })
      )
    )
    yield* Effect.promise(() => file.close())
    const embeddings = tensors.find(({ name }) => name.endsWith("word_embeddings.weight"))!
    const decoder = (values: Float32Array) => ({ ...embeddings, name: "cls.predictions.decoder.weight", values })
    const readWith = (values: Float32Array) => {
      const all = [...tensors, decoder(values)]
      const bytes = all.map((tensor) => new Uint8Array(tensor.values.slice().buffer))
      writeFileSync(join(folder, "model.safetensors"), Buffer.concat([safetensorsHeader(all), ...bytes]))
      return Effect.map(baseOf(folder), ({ outputs, warnings }) => {
        const names = readModel(outputs["model"]!, blobPath).tensors.map(({ name }) => name)
        return { warnings, heads: names.filter((name) => name.startsWith("cls.")) }
      })
    }
    const tied = yield* readWith(embeddings.values)
    assert.deepStrictEqual(tied.warnings, [])
    assert.strictEqual(tied.heads.length, 7)
    const untied = yield* readWith(embeddings.values.map((value) => value + 1))
    assert.match(untied.warnings[0]!, /left out \(the decoder is not tied to the word embeddings\): cls.predictions/)
    assert.deepStrictEqual(untied.heads, ["cls.seq_relationship.bias", "cls.seq_relationship.weight"])
  })
)

const settings = {
  objective: "mlm",
  next_sentence: true,
  learning_rate: 5e-3,
  batch_size: 8,
  early_stopping: false,
  hidden_dropout: 0,
  attention_dropout: 0,
  whole_word_masking: false
}

const preTrain = (
  rows: InputArtifact,
  validation: InputArtifact,
  params: Record<string, unknown> = {},
  model = tinyModel(bench)
) =>
  runStage(bench, train, {
    stage: "fit",
    engine,
    seed: 9,
    with: { ...settings, ...params },
    inputs: { model, train: rows, validation, tokenizer: wordPieces(bench) }
  })

/** The same for the 40 words of tiny models. */
const tinyDocuments = (count: number) =>
  documents(count, 6).map((row) => ({ ...row, input_ids: row.input_ids.map((id) => (id === STOP ? 39 : id)) }))

it.effect(
  "training goes on with both heads and the pooler, k micro-batches are one batch, and a classifier leaves the heads behind",
  () =>
    Effect.gen(function* () {
      const [rows, held] = [tokensArtifact(bench, tinyDocuments(48)), tokensArtifact(bench, tinyDocuments(24))]
      const base = tinyModel(bench)
      const outcome = yield* preTrain(rows, held, { epochs: 6, learning_rate: 5e-3 }, base)
      const told = losses(outcome.outputs["history"]!, "validation")
      assert.isBelow(told.at(-1)!, told[0]! - 0.5)
      const [before, after] = [readModel(base, blobPath), readModel(outcome.outputs["model"]!, blobPath)]
      assert.notDeepEqual(after.read("pooler.dense.weight"), before.read("pooler.dense.weight"))
      assert.include(
        after.tensors.map(({ name }) => name),
        "cls.seq_relationship.weight"
      )
      const [whole, parts] = yield* Effect.all([
        preTrain(rows, held, { epochs: 1, batch_size: 16, group_by_length: false }, base),
        preTrain(rows, held, { epochs: 1, batch_size: 4, gradient_accumulation_steps: 4, group_by_length: false }, base)
      ])
      for (const part of ["train", "validation"])
        losses(whole.outputs["history"]!, part).forEach((loss, at) =>
          assert.closeTo(losses(parts.outputs["history"]!, part)[at]!, loss, 1e-3)
        )
      const labelled = tinyDocuments(16).map((row, at) => ({ ...row, label: ["even", "odd"][at % 2]! }))
      const tuned = yield* runStage(bench, train, {
        stage: "fit",
        engine,
        with: { epochs: 1 },
        inputs: { model: outcome.outputs["model"]!, train: tokensArtifact(bench, labelled) }
      })
      const exported = yield* runStage(bench, exportStep, {
        inputs: { model: tuned.outputs["model"]!, tokenizer: wordPieces(bench) }
      })
      // All but the pooler, which a head on the mean does not read.
      assert.strictEqual(exported.counts["parameters"], Number(tuned.outputs["model"]!.facts["parameters"]) - 16 * 17)
    })
)

it.effect(
  "rows in turn with one value in a column are a document; what cannot be paired is refused, with the way out",
  () =>
    Effect.gen(function* () {
      const lines = (labels: ReadonlyArray<string>) =>
        tokensArtifact(
          bench,
          labels.map((label, row) => ({ row_id: `l${row}`, label, input_ids: [1, 10 + row, 11 + row, 2] }))
        )
      const byLabel = { document: "label", epochs: 1 }
      const two = lines(["a", "a", "b", "b", "b", "c"])
      const outcome = yield* preTrain(two, two, byLabel)
      assert.strictEqual(outcome.counts["rows"], 2)
      assert.match(outcome.warnings.join(), /1 documents have one row alone: left out/)
      const code = (rows: InputArtifact, params: Record<string, unknown>) =>
        Effect.map(Effect.flip(preTrain(rows, rows, { epochs: 1, ...params })), (error) => (error as StageError).code)
      assert.strictEqual(yield* code(lines(["a", "b", "a", "b"]), byLabel), "no_sentences")
      assert.strictEqual(yield* code(lines(["a", "a", "a", "a"]), byLabel), "one_document")
      assert.strictEqual(yield* code(two, {}), "no_sentences")
    })
)

it("what next_sentence asks for is told before the run", () => {
  const columns = { row_id: { type: "utf8", nullable: false }, book: { type: "utf8", nullable: true } } as const
  const faults = (params: Record<string, unknown>, more: object = {}) =>
    train.types({
      params: Schema.decodeUnknownSync(TrainParams)(params),
      inputs: { tokenizer: { kind: "tokenizer" }, train: { kind: "tokens", columns: { ...columns, ...more } } },
      heads: {}
    }).faults
  const mlm = { objective: "mlm", next_sentence: true }
  assert.deepStrictEqual(faults(mlm), [])
  assert.deepStrictEqual(faults({ ...mlm, document: "book" }), [])
  assert.deepInclude(faults({ ...mlm, document: "bok" })[0], {
    path: ["with", "document"],
    message: 'the rows at `train` have no column "bok"'
  })
  assert.deepStrictEqual(faults(mlm, { text_b: columns.book })[0]!.path, ["in", "train"])
  assert.deepStrictEqual(faults({ objective: "mlm", document: "book" })[0]!.path, ["with", "document"])
  assert.deepStrictEqual(
    faults({ next_sentence: true }, { label: { type: "dictionary", nullable: false } }).map(({ path }) => path),
    [["with", "next_sentence"]]
  )
})

it.effect("pairs hang on pair_length, which is in the key, and not on how long tokenize would have let rows be", () =>
  Effect.gen(function* () {
    const [rows, held] = [tokensArtifact(bench, tinyDocuments(24)), tokensArtifact(bench, tinyDocuments(16))]
    const base = tinyModel(bench)
    const given = (max_length: number): InputArtifact => ({ ...rows, facts: { ...rows.facts, max_length } })
    const contentOf = (input: InputArtifact, pair_length: number) =>
      Effect.map(preTrain(input, held, { epochs: 1, pair_length }, base), ({ outputs }) => outputs["model"]!.content)
    const plain = yield* contentOf(given(7), 16)
    assert.strictEqual(yield* contentOf(given(16), 16), plain)
    assert.notStrictEqual(yield* contentOf(given(16), 7), plain)
  })
)
