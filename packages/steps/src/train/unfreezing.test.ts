import { readdirSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, it } from "@effect/vitest"
import { type InputArtifact, StageError } from "@hone/core/Stage"
import { Effect, Schema } from "effect"
import { placeOf } from "../artifacts/manifest.ts"
import { readModel } from "../artifacts/model.ts"
import { makeBench, type RunOutcome, runStage } from "../testing/context.ts"
import { testEngine, tinyModel, tinyRows, tokensArtifact } from "../testing/models.ts"
import { train } from "./index.ts"
import { TrainParams } from "./params.ts"
import { phasesOf, unfreezesAt } from "./unfreezing.ts"

const bench = makeBench()
afterAll(() => bench.dispose())

const rows = { train: tokensArtifact(bench, tinyRows(60)), validation: tokensArtifact(bench, tinyRows(24, 1000)) }
const model = tinyModel(bench)
/** 8 optimizer steps an epoch. */
const settings = { learning_rate: 3e-3, batch_size: 8, early_stopping: false, lr_scheduler_type: "constant" }

interface Choice {
  readonly with: Record<string, unknown>
  readonly model?: InputArtifact
  readonly checkpoints?: string
  readonly stopAfter?: number
  /** Without validation rows the last weights come out. */
  readonly validated?: false
}

const fit = (choice: Choice) =>
  runStage(bench, train, {
    stage: "fit",
    engine: testEngine,
    with: { ...settings, ...choice.with },
    inputs: { model: choice.model ?? model, ...(choice.validated === false ? { train: rows.train } : rows) },
    seed: 11,
    onProgress: ({ done }) => {
      if (done === choice.stopAfter) throw new Error("the power went")
    },
    ...(choice.checkpoints === undefined ? {} : { checkpoints: choice.checkpoints })
  })

const opened = (artifact: InputArtifact) => readModel(artifact, (blob) => bench.blobs.get(blob)!)

/** The parts of which a tensor is another than in the model that was tuned. */
const moved = (outcome: RunOutcome, from = model) => {
  const before = new Map(opened(from).tensors.map(({ digest, name }) => [name, digest]))
  const changed = opened(outcome.outputs["model"]!).tensors.filter(({ digest, name }) => before.get(name) !== digest)
  return [...new Set(changed.map(({ name }) => String(placeOf(name))))].sort()
}

it.effect("the head trains first, then a block more each time, down to the embeddings or to what is frozen", () =>
  Effect.gen(function* () {
    const every = { unfreeze_every: 0.5, learning_rate: 1e-3 }
    const after = (epochs: number, of = model) => fit({ with: { ...every, epochs }, model: of, validated: false })
    assert.deepStrictEqual(moved(yield* after(0.5)), ["head"])
    const two = yield* after(0.75)
    assert.deepStrictEqual(moved(two), ["2", "head"])
    assert.deepStrictEqual(
      two.log.filter((line) => line.includes("trains too")),
      ["after optimizer step 4: block 2 trains too"]
    )
    assert.deepStrictEqual(moved(yield* after(1.5)), ["1", "2", "head"])
    assert.deepStrictEqual(moved(yield* after(2.25)), ["0", "1", "2", "embeddings", "head"])
    const partial = tinyModel(bench, { strategy: { partial: { last_blocks: 1 } }, frozen_blocks: 2 })
    assert.deepStrictEqual(moved(yield* after(2.25, partial), partial), ["2", "head"])
  })
)

it.effect("until the first block begins it is the training of a head, to the byte", () =>
  Effect.gen(function* () {
    const waiting = yield* fit({ with: { epochs: 2, unfreeze_every: 2 } })
    const frozen = tinyModel(bench, { strategy: "head", frozen_blocks: 3 })
    const head = yield* fit({ with: { epochs: 2 }, model: frozen })
    assert.strictEqual(waiting.outputs["history"]!.blob, head.outputs["history"]!.blob)
  })
)

it.effect("a block's first step is as long as any first step of Adam: the learning rate in each weight", () =>
  Effect.gen(function* () {
    const once = { epochs: 9 / 8, unfreeze_every: 1, weight_decay: 0, learning_rate: 1e-3 }
    // The ninth step is the first of block 2.
    const outcome = yield* fit({ with: once, validated: false })
    const name = "encoder.layer.2.output.dense.weight"
    const [before, after] = [opened(model).read(name), opened(outcome.outputs["model"]!).read(name)]
    const steps = after.map((value, at) => Math.abs(value - before[at]!)).sort()
    assert.closeTo(steps[Math.floor(steps.length / 2)]!, 1e-3, 2e-5)
    assert.isBelow(steps.at(-1)!, 1.01e-3)
  })
)

it.effect("an interrupted training goes on to the very bytes of a straight one, between phases and within", () =>
  Effect.gen(function* () {
    const chosen = { epochs: 3, unfreeze_every: 0.5, ema_decay: 0.8, checkpoint_every: 5 }
    const straight = yield* fit({ with: chosen })
    // Blocks begin after steps 4, 8 and 12: the checkpoint at 8 is the end of one phase, that at 10 is within the next.
    for (const [stopAfter, resumedAt] of [
      [9, 8],
      [13, 10]
    ] as const) {
      const checkpoints = join(bench.folder, `stopped-${stopAfter}`)
      yield* Effect.exit(fit({ with: chosen, checkpoints, stopAfter }))
      assert.deepStrictEqual(readdirSync(checkpoints), [`step-${String(resumedAt).padStart(9, "0")}`])
      const resumed = yield* fit({ with: chosen, checkpoints })
      assert.strictEqual(resumed.counts["resumed_at_step"], resumedAt)
      assert.strictEqual(resumed.outputs["model"]!.blob, straight.outputs["model"]!.blob)
      assert.strictEqual(resumed.outputs["history"]!.blob, straight.outputs["history"]!.blob)
    }
    const checkpoints = join(bench.folder, "done")
    yield* fit({ with: chosen, checkpoints })
    const again = yield* fit({ with: chosen, checkpoints })
    assert.strictEqual(again.outputs["model"]!.blob, straight.outputs["model"]!.blob)
  })
)

it.effect("k accumulated batches give the steps of one batch here too", () =>
  Effect.gen(function* () {
    const plain = { hidden_dropout: 0, attention_dropout: 0, classifier_dropout: 0, group_by_length: false }
    const chosen = { ...plain, epochs: 2, unfreeze_every: 0.5 }
    const whole = yield* fit({ with: { ...chosen, batch_size: 16 } })
    const parts = yield* fit({ with: { ...chosen, batch_size: 4, gradient_accumulation_steps: 4 } })
    assert.deepStrictEqual(moved(parts), moved(whole))
    for (const name of ["classifier.weight", "encoder.layer.1.output.dense.weight"]) {
      const [a, b] = [opened(whole.outputs["model"]!).read(name), opened(parts.outputs["model"]!).read(name)]
      a.forEach((value, at) => assert.closeTo(b[at]!, value, 1e-3))
    }
  })
)

it("phases begin where their parts do, and none after the end", () => {
  const since = unfreezesAt({ every: 1 / 3, blocks: 2, stepsPerEpoch: 30 })
  const names = ["embeddings.x", "encoder.layer.0.x", "encoder.layer.1.x", "pooler.x", "classifier.x"]
  assert.deepStrictEqual(names.map(since), [30, 20, 10, 0, 0])
  const phases = phasesOf(names, since, 20, (map) => [...map.keys()])
  assert.deepStrictEqual(
    phases.map(({ begins, from, program }) => [from, begins, program()]),
    [
      [0, "", ["pooler.x", "classifier.x"]],
      [10, "block 1", ["encoder.layer.1.x", "pooler.x", "classifier.x"]]
    ]
  )
})

it.effect("a model of which only the head may train has nothing to unfreeze; nor has mlm, told before the run", () =>
  Effect.gen(function* () {
    const frozen = tinyModel(bench, { strategy: "head", frozen_blocks: 3 })
    const error = yield* Effect.flip(fit({ with: { unfreeze_every: 1 }, model: frozen }))
    assert.strictEqual((error as StageError).code, "nothing_to_unfreeze")
    const params = Schema.decodeUnknownSync(TrainParams)({ objective: "mlm", unfreeze_every: 1 })
    const inputs = { tokenizer: { kind: "tokenizer" as const } }
    const { faults } = train.types({ params, inputs, heads: {} })
    assert.deepStrictEqual(
      faults.map(({ path }) => path),
      [["with", "unfreeze_every"]]
    )
  })
)
