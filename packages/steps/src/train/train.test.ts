import { existsSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, it } from "@effect/vitest"
import { type InputArtifact, type StageContext, StageError } from "@hone/core/Stage"
import { Effect, Schema } from "effect"
import { readModel } from "../artifacts/model.ts"
import { float64s, int32s, readTable, strings } from "../arrow/reader.ts"
import { makeBench, type RunOutcome, runStage } from "../testing/context.ts"
import { nativeEngine, testEngine, tinyModel, type TinyModel, tinyRows, tokensArtifact } from "../testing/models.ts"
import { train } from "./index.ts"
import { TrainParams } from "./params.ts"

const bench = makeBench()
afterAll(() => bench.dispose())

const trainRows = tokensArtifact(bench, tinyRows(60))
const validationRows = tokensArtifact(bench, tinyRows(24, 1000))
const rows = { train: trainRows, validation: validationRows }

const settings = { learning_rate: 3e-3, batch_size: 8, epochs: 3, early_stopping: false, warmup_ratio: 0 }

interface Fit {
  readonly with?: Record<string, unknown>
  readonly inputs?: Record<string, InputArtifact>
  readonly checkpoints?: string
  readonly seed?: number
  readonly engine?: StageContext["engine"]
}

const fit = (model: InputArtifact, options: Fit = {}) =>
  runStage(bench, train, {
    stage: "fit",
    engine: options.engine ?? testEngine,
    with: { ...settings, ...options.with },
    inputs: { model, ...rows, ...options.inputs },
    seed: options.seed ?? 11,
    ...(options.checkpoints === undefined ? {} : { checkpoints: options.checkpoints })
  })

/** The features stages, then fit on what they made. */
const fitFromFeatures = (model: InputArtifact, options: Fit = {}) =>
  Effect.gen(function* () {
    const features: Record<string, InputArtifact> = {}
    for (const part of ["train", "validation"] as const) {
      const stage = `features_${part}`
      const inputs = { model, rows: rows[part] }
      const { outputs } = yield* runStage(bench, train, {
        stage,
        engine: options.engine ?? testEngine,
        inputs,
        with: { ...settings, ...options.with }
      })
      features[stage] = outputs["features"]!
    }
    return yield* fit(model, { ...options, inputs: { ...options.inputs, ...features } })
  })

const losses = (outcome: RunOutcome, part = "train") => {
  const table = readTable(outcome.outputs["history"]!)
  const parts = strings(table, "part")
  return [...float64s(table, "loss")].filter((_, row) => parts[row] === part)
}

const tuned = (outcome: RunOutcome) => readModel(outcome.outputs["model"]!, (blob) => bench.blobs.get(blob)!)

const largestGap = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number => {
  assert.strictEqual(a.length, b.length)
  return Math.max(...a.map((value, index) => Math.abs(value - b[index]!)))
}

const failure = (effect: Effect.Effect<unknown, unknown>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.instanceOf(error, StageError)
    return error as StageError
  })

it.effect("what can be learned is learned, and the best evaluation's weights are kept", () =>
  Effect.gen(function* () {
    const noDropout = { hidden_dropout: 0, attention_dropout: 0, classifier_dropout: 0 }
    const outcome = yield* fit(tinyModel(bench), { with: { ...noDropout, epochs: 8 } })
    const evaluations = losses(outcome, "validation")
    const facts = outcome.reported["history"]!.facts
    assert.isBelow(Math.min(...evaluations), 0.2)
    assert.strictEqual(facts["best_loss"], Math.min(...evaluations))
    assert.strictEqual(facts["best_step"], 8 * (evaluations.indexOf(Math.min(...evaluations)) + 1))
    assert.strictEqual(facts["stopped"], "8 epochs")
    assert.deepStrictEqual(tuned(outcome).manifest.head?.labels, ["neg", "pos"])
    assert.deepStrictEqual(
      [...int32s(readTable(outcome.outputs["history"]!), "optimizer_step")].slice(0, 10),
      [1, 2, 3, 4, 5, 6, 7, 8, 8, 9]
    )
  })
)

it.effect("the same training gives the same bytes, and another seed another model", () =>
  Effect.gen(function* () {
    const model = tinyModel(bench)
    const first = yield* fit(model, { with: { epochs: 1 } })
    const second = yield* fit(model, { with: { epochs: 1 } })
    const other = yield* fit(model, { with: { epochs: 1 }, seed: 12 })
    assert.strictEqual(first.outputs["model"]!.blob, second.outputs["model"]!.blob)
    assert.strictEqual(first.outputs["history"]!.blob, second.outputs["history"]!.blob)
    assert.notStrictEqual(first.outputs["model"]!.content, other.outputs["model"]!.content)
  })
)

it.effect("training from cached features equals training through the frozen blocks, within 1e-5", () =>
  Effect.gen(function* () {
    const model = tinyModel(bench, { strategy: { partial: { last_blocks: 1 } }, frozen_blocks: 2 })
    const uncached = yield* fit(model)
    const cached = yield* fitFromFeatures(model)
    assert.isBelow(largestGap(losses(cached), losses(uncached)), 1e-5)
    assert.isBelow(largestGap(losses(cached, "validation"), losses(uncached, "validation")), 1e-5)
    for (const pooling of ["mean", "pooler"]) {
      const frozen = tinyModel(bench, { strategy: "head", frozen_blocks: 3 })
      const through = yield* fit(frozen, { with: { pooling } })
      const pooled = yield* fitFromFeatures(frozen, { with: { pooling } })
      assert.isBelow(largestGap(losses(pooled), losses(through)), 1e-5)
    }
  })
)

it.effect("frozen tensors keep their bytes and their file; what trains moves", () =>
  Effect.gen(function* () {
    const strategies: Array<[TinyModel, RegExp]> = [
      [{ strategy: { partial: { last_blocks: 1 } }, frozen_blocks: 2 }, /^(encoder\.layer\.2|classifier)\./],
      [{ strategy: "head", frozen_blocks: 3 }, /^classifier\./],
      [{}, /^(embeddings|encoder|classifier)\./]
    ]
    for (const [choice, trains] of strategies) {
      const input = tinyModel(bench, choice)
      const before = readModel(input, (blob) => bench.blobs.get(blob)!)
      const after = tuned(yield* fit(input, { with: { epochs: 1 } }))
      const moved = after.tensors.filter(({ digest, name }) =>
        before.tensors.every((old) => old.name !== name || old.digest !== digest)
      )
      for (const { name } of moved) assert.match(name, trains)
      assert.sameMembers(
        moved.map(({ name }) => name),
        after.tensors.map(({ name }) => name).filter((name) => trains.test(name))
      )
    }
  })
)

it.effect("k accumulated batches give the steps of one batch of k times the rows", () =>
  Effect.gen(function* () {
    const model = tinyModel(bench)
    const plain = { hidden_dropout: 0, attention_dropout: 0, classifier_dropout: 0, group_by_length: false }
    const whole = yield* fit(model, { with: { ...plain, batch_size: 16 } })
    const parts = yield* fit(model, { with: { ...plain, batch_size: 4, gradient_accumulation_steps: 4 } })
    // 60 rows: the last effective batch of an epoch has 12 rows, which a mean of means would weigh wrongly.
    assert.isBelow(largestGap(losses(parts), losses(whole)), 1e-4)
  })
)

/** A training that is cut down after its 13th step and begun again, against one that was left alone. */
const interrupted = (engine: StageContext["engine"], checkpoints: string) =>
  Effect.gen(function* () {
    const model = tinyModel(bench)
    const straight = yield* fit(model, { engine })
    const doomed = runStage(bench, train, {
      stage: "fit",
      engine,
      with: { ...settings, checkpoint_every: 5 },
      inputs: { model, ...rows },
      seed: 11,
      checkpoints,
      onProgress: ({ done }) => {
        if (done === 13) throw new Error("the power went")
      }
    })
    yield* Effect.exit(doomed)
    assert.deepStrictEqual(readdirSync(checkpoints), ["step-000000010"])
    const resumed = yield* fit(model, { engine, checkpoints })
    assert.strictEqual(resumed.counts["resumed_at_step"], 10)
    assert.strictEqual(resumed.outputs["model"]!.blob, straight.outputs["model"]!.blob)
    assert.strictEqual(resumed.outputs["history"]!.blob, straight.outputs["history"]!.blob)
  })

it.effect("an interrupted training goes on to the very bytes of a straight one", () =>
  interrupted(testEngine, join(bench.folder, "interrupted"))
)

const native = nativeEngine()
if (native === undefined) console.log("skipped: training on a native engine, since set-up has found none")

it.effect.skipIf(native === undefined)("so it does on the native engine, where cached equals uncached too", () =>
  Effect.gen(function* () {
    yield* interrupted(native!, join(bench.folder, "interrupted-natively"))
    const model = tinyModel(bench, { strategy: { partial: { last_blocks: 1 } }, frozen_blocks: 2 })
    const uncached = yield* fit(model, { engine: native! })
    const cached = yield* fitFromFeatures(model, { engine: native! })
    assert.isBelow(largestGap(losses(cached), losses(uncached)), 1e-5)
  })
)

it.effect("a damaged checkpoint is passed over: the training starts anew and ends the same", () =>
  Effect.gen(function* () {
    const model = tinyModel(bench)
    const checkpoints = join(bench.folder, "damaged")
    const first = yield* fit(model, { with: { epochs: 1 }, checkpoints })
    writeFileSync(join(checkpoints, "step-000000008", "optimizer.arrow"), "not a checkpoint")
    const again = yield* fit(model, { with: { epochs: 1 }, checkpoints })
    assert.strictEqual(again.counts["resumed_at_step"], 0)
    assert.strictEqual(again.outputs["model"]!.blob, first.outputs["model"]!.blob)
  })
)

it.effect("raising epochs under a constant schedule goes on from where the shorter training ended", () =>
  Effect.gen(function* () {
    const model = tinyModel(bench)
    const schedule = { lr_scheduler_type: "constant" }
    const checkpoints = join(bench.folder, "longer")
    yield* fit(model, { with: { ...schedule, epochs: 1 }, checkpoints })
    const longer = yield* fit(model, { with: { ...schedule, epochs: 2 }, checkpoints })
    const straight = yield* fit(model, { with: { ...schedule, epochs: 2 } })
    assert.strictEqual(longer.counts["resumed_at_step"], 8)
    assert.strictEqual(longer.outputs["model"]!.blob, straight.outputs["model"]!.blob)
  })
)

it.effect("early stopping ends a training that does not improve, and says why", () =>
  Effect.gen(function* () {
    const outcome = yield* fit(tinyModel(bench), {
      with: { epochs: 20, learning_rate: 1e-12, early_stopping: { patience: 2, min_delta: 0.01 } }
    })
    const facts = outcome.reported["history"]!.facts
    assert.strictEqual(losses(outcome, "validation").length, 3)
    assert.match(String(facts["stopped"]), /^early stopping: eval_loss did not improve on 0\.\d{4} in 2 evaluations$/)
  })
)

it.effect("a loss that is no number stops the training with the rows of its batch", () =>
  Effect.gen(function* () {
    const error = yield* failure(fit(tinyModel(bench), { with: { learning_rate: 1e30, max_grad_norm: 0 } }))
    assert.strictEqual(error.code, "nan_loss")
    assert.includeMembers(
      tinyRows(60).map(({ row_id }) => row_id),
      [...error.row_ids!]
    )
    assert.isAtMost(error.row_ids!.length, 8)
    assert.match(
      error.message,
      /^the (loss|gradient) of optimizer step \d+ is not a finite number; its rows are row\d+, /
    )
  })
)

it.effect("rows that the model cannot take are refused by name", () =>
  Effect.gen(function* () {
    const model = tinyModel(bench, { tokenizer: "a" })
    const foreign = tokensArtifact(bench, [{ row_id: "x", label: "maybe", input_ids: [1, 4] }])
    const unknown = yield* failure(fit(model, { inputs: { validation: foreign } }))
    assert.strictEqual(unknown.code, "unknown_labels")
    assert.match(unknown.message, /1 rows at `validation` have labels that the model does not know \(maybe\): x/)
    const other = tokensArtifact(bench, tinyRows(4), { tokenizer: "b" })
    assert.strictEqual((yield* failure(fit(model, { inputs: { train: other } }))).code, "tokenizer_mismatch")
    const bad = (input_ids: Array<number>) => tokensArtifact(bench, [{ row_id: "x", label: "pos", input_ids }])
    const codes: Array<[Array<number>, string]> = [
      [[], "empty_input"],
      [[1, 40], "vocabulary_mismatch"],
      [Array.from({ length: 25 }, () => 1), "too_long"]
    ]
    for (const [ids, code] of codes) {
      assert.strictEqual((yield* failure(fit(model, { inputs: { train: bad(ids) } }))).code, code)
    }
    const none = tokensArtifact(bench, [], { labels: ["neg", "pos"] })
    assert.strictEqual((yield* failure(fit(model, { inputs: { train: none } }))).code, "no_supervised_rows")
  })
)

it.effect("a head for the same labels is kept, whatever their order; for others it is replaced, with a word", () =>
  Effect.gen(function* () {
    const slow = { with: { learning_rate: 1e-12, epochs: 0.1 } }
    const head = { pooling: "pooler", dropout: 0, labels: ["pos", "neg"] } as const
    const input = tinyModel(bench, { head })
    const kept = yield* fit(input, slow)
    const before = readModel(input, (blob) => bench.blobs.get(blob)!)
    assert.deepStrictEqual(kept.warnings, [])
    assert.deepStrictEqual(tuned(kept).manifest.head?.labels, ["pos", "neg"])
    const gap = largestGap([...tuned(kept).read("classifier.weight")], [...before.read("classifier.weight")])
    assert.isBelow(gap, 1e-9)
    const replaced = yield* fit(tinyModel(bench, { head: { ...head, labels: ["a", "b"] } }), slow)
    assert.match(replaced.warnings[0]!, /^the model's head for a, b \(pooler\) is replaced by a new one for neg, pos/)
  })
)

it.effect("without validation rows the last weights are kept and a warning says so", () =>
  Effect.gen(function* () {
    const outcome = yield* runStage(bench, train, {
      stage: "fit",
      engine: testEngine,
      with: { ...settings, epochs: 1, early_stopping: { patience: 1 } },
      inputs: { model: tinyModel(bench), train: trainRows },
      seed: 3
    })
    assert.match(outcome.warnings[0]!, /^no validation rows/)
    assert.strictEqual(outcome.reported["history"]!.facts["best_loss"], null)
    assert.isTrue(existsSync(outcome.outputs["model"]!.path))
  })
)

it("faults of a file are told before anything runs: a schedule that ends early, labels that training lacks", () => {
  const params = Schema.decodeUnknownSync(TrainParams)({ epochs: 3, schedule_epochs: 2 })
  const port = (labels: ReadonlyArray<string>) => ({
    kind: "tokens" as const,
    columns: { label: { type: "dictionary" as const, nullable: false, labels } }
  })
  const inputs = { model: { kind: "model" as const }, train: port(["neg", "pos"]), validation: port(["maybe", "neg"]) }
  const { faults } = train.types({ params, inputs, heads: {} })
  assert.deepStrictEqual(
    faults.map(({ message }) => message),
    [
      "validation rows have labels that the training rows lack: maybe",
      "the learning rate falls to 0 after 2 epochs, and training goes on to 3"
    ]
  )
})

it("a trajectory is named by what shapes its path: epochs count only where the schedule ends with them", () => {
  const trajectory = (params: Record<string, unknown>) =>
    train.stages.find(({ name }) => name === "fit")!.trajectory!(Schema.decodeUnknownSync(TrainParams)(params))
  const constant = { lr_scheduler_type: "constant" }
  assert.deepStrictEqual(
    trajectory({ ...constant, epochs: 2 }),
    trajectory({ ...constant, epochs: 9, early_stopping: false })
  )
  assert.notDeepEqual(trajectory({ epochs: 2 }), trajectory({ epochs: 3 }))
  assert.deepStrictEqual(trajectory({ epochs: 2, schedule_epochs: 4 }), trajectory({ epochs: 3, schedule_epochs: 4 }))
  assert.notDeepEqual(trajectory({ seed: 1 }), trajectory({ seed: 2 }))
})
