import { afterAll, assert, it } from "@effect/vitest"
import { StageError } from "@hone/core/Stage"
import { classifierProgram, defaultAdamW, parseBertConfig } from "@hone/nn"
import { bertForMaskedLm } from "@hone/nn/models/bert/networks"
import { trainingProgram } from "@hone/nn/network/training"
import { Effect, Schema } from "effect"
import { makeBench, runStage } from "../testing/context.ts"
import { testEngine, tinyConfig, tinyModel, tinyRows, tokensArtifact } from "../testing/models.ts"
import { wordPieces } from "../testing/tokenizers.ts"
import { predictedBytes, sizedParams } from "./batchSize.ts"
import { train } from "./index.ts"
import { TrainParams } from "./params.ts"

const bench = makeBench()
afterAll(() => bench.dispose())

const decode = (params: Record<string, unknown>) => Schema.decodeUnknownSync(TrainParams)(params)
const programFor = (config: object) =>
  classifierProgram({
    config: parseBertConfig(config),
    head: { pooling: "mean", labels: 2 },
    trainable: () => true,
    optimizer: defaultAdamW,
    max_grad_norm: 1
  })
/** The shape of all-MiniLM-L6-v2. */
const miniLm = programFor({
  model_type: "bert",
  hidden_size: 384,
  num_hidden_layers: 6,
  num_attention_heads: 12,
  intermediate_size: 1536
})
const chosen = (memory_budget: number) =>
  Effect.map(
    sizedParams(decode({ batch_size: "auto", memory_budget }), miniLm, Int32Array.of(17, 125)),
    (params) => params.batch_size
  )

it.effect("the size chosen is predicted to fit, and the next larger one is not", () =>
  Effect.gen(function* () {
    for (const budget of [800, 860, 1000, 1400]) {
      const size = yield* chosen(budget)
      assert.isAtMost(predictedBytes(miniLm, size, 128), budget * 2 ** 20)
      assert.isAbove(predictedBytes(miniLm, 2 * size, 128), budget * 2 ** 20)
    }
    assert.strictEqual(yield* chosen(100_000), 32)
  })
)

it.effect("auto trains as the number that it stands for, and says which", () =>
  Effect.gen(function* () {
    const rows = tokensArtifact(bench, tinyRows(40))
    const model = tinyModel(bench)
    const fit = (chosen: Record<string, unknown>) =>
      runStage(bench, train, {
        stage: "fit",
        engine: testEngine,
        with: { epochs: 1, ...chosen },
        inputs: { model, train: rows },
        seed: 5
      })
    // Just too little for a pass over 32 such rows.
    const memory_budget = Math.floor(predictedBytes(programFor(tinyConfig), 32, 16) / 2 ** 20)
    const auto = yield* fit({ batch_size: "auto", memory_budget })
    const size = Number(auto.counts["batch_size"])
    assert.isBelow(size, 32)
    const named = yield* fit({ batch_size: size })
    assert.strictEqual(auto.outputs["history"]!.blob, named.outputs["history"]!.blob)
    assert.strictEqual(auto.outputs["model"]!.blob, named.outputs["model"]!.blob)
    assert.strictEqual(auto.reported["history"]!.facts["batch_size"], size)
  })
)

it.effect("a budget that holds no row is refused with the one that would", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(chosen(100))
    assert.instanceOf(error, StageError)
    assert.strictEqual(error.code, "memory_budget")
    const needed = Number(/predicted to need (\d+) MiB/.exec(error.message)![1])
    assert.isAtLeast(yield* chosen(needed), 1)
    yield* Effect.flip(chosen(needed - 1))
    assert.match(error.hint, new RegExp(`memory_budget of ${needed} or more`))
  })
)

it.effect("auto counts the scores of masked tokens, and trains on them as the number that it stands for", () =>
  Effect.gen(function* () {
    const inputs = {
      model: tinyModel(bench),
      train: tokensArtifact(bench, tinyRows(40)),
      tokenizer: wordPieces(bench)
    }
    const fit = (chosen: Record<string, unknown>) =>
      runStage(bench, train, {
        stage: "fit",
        engine: testEngine,
        with: { objective: "mlm", epochs: 1, ...chosen },
        inputs,
        seed: 5
      })
    const programOf = (config: object) => {
      const network = bertForMaskedLm(parseBertConfig(config), { at: "positions" })
      return trainingProgram({ network, trainable: () => true, optimizer: defaultAdamW, max_grad_norm: 1 })
    }
    const enough = predictedBytes(programOf(tinyConfig), 32, 16, () => 2)
    const auto = yield* fit({ batch_size: "auto", memory_budget: Math.floor(enough / 2 ** 20) })
    const size = Number(auto.counts["batch_size"])
    assert.isBelow(size, 32)
    const named = yield* fit({ batch_size: size })
    assert.strictEqual(auto.outputs["model"]!.blob, named.outputs["model"]!.blob)
    const large = programOf({ ...tinyConfig, vocab_size: 30_000 })
    const [few, many] = [1, 5].map((masked) => predictedBytes(large, 16, 16, () => masked))
    // Of four tokens a row more, at the least the scores of 30 000 words in float32.
    assert.isAbove(many! - few!, 16 * 4 * 30_000 * 4)
  })
)

it("a budget beside a number is told before the run", () => {
  const faults = (params: Record<string, unknown>) =>
    train
      .types({ params: decode(params), inputs: { tokenizer: { kind: "tokenizer" } }, heads: {} })
      .faults.map(({ path }) => path.join("."))
  assert.deepStrictEqual(faults({ memory_budget: 1000 }), ["with.memory_budget"])
  assert.deepStrictEqual(faults({ objective: "mlm", batch_size: "auto" }), [])
  assert.deepStrictEqual(faults({ batch_size: "auto" }), [])
})
