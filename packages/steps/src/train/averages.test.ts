import { readdirSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { readModel } from "../artifacts/model.ts"
import { float64s, readTable, strings } from "../arrow/reader.ts"
import { makeBench, type RunOutcome, runStage } from "../testing/context.ts"
import { testEngine, tinyModel, tinyRows, tokensArtifact } from "../testing/models.ts"
import { train } from "./index.ts"

const bench = makeBench()
afterAll(() => bench.dispose())

const rows = tokensArtifact(bench, tinyRows(60))
const validation = tokensArtifact(bench, tinyRows(24, 1000))
const model = tinyModel(bench)
/** 8 optimizer steps an epoch. */
const settings = { learning_rate: 3e-3, batch_size: 8, early_stopping: false, lr_scheduler_type: "constant" }

interface Choice {
  readonly with: Record<string, unknown>
  readonly validated?: boolean
  readonly checkpoints?: string
  readonly onStep?: (step: number) => void
}

const fit = ({ checkpoints, onStep, validated, with: chosen }: Choice) =>
  runStage(bench, train, {
    stage: "fit",
    engine: testEngine,
    with: { ...settings, ...chosen },
    inputs: { model, train: rows, ...(validated === true ? { validation } : {}) },
    seed: 11,
    onProgress: ({ done }) => onStep?.(done),
    ...(checkpoints === undefined ? {} : { checkpoints })
  })

const opened = (outcome: RunOutcome) => readModel(outcome.outputs["model"]!, (blob) => bench.blobs.get(blob)!)

const evalLosses = (outcome: RunOutcome) => {
  const table = readTable(outcome.outputs["history"]!)
  const parts = strings(table, "part")
  return [...float64s(table, "loss")].filter((_, row) => parts[row] === "validation")
}

it.effect("the weights that come out are the average of those after each step, made by hand", () =>
  Effect.gen(function* () {
    const name = "encoder.layer.1.output.dense.weight"
    let byHand = Float64Array.from(readModel(model, (blob) => bench.blobs.get(blob)!).read(name))
    for (const step of [1, 2, 3]) {
      const after = opened(yield* fit({ with: { epochs: step / 8 } })).read(name)
      const decay = Math.min(0.3, (1 + step) / (10 + step))
      byHand = byHand.map((value, at) => value * decay + after[at]! * (1 - decay))
    }
    const averaged = opened(yield* fit({ with: { epochs: 3 / 8, ema_decay: 0.3 } })).read(name)
    const last = opened(yield* fit({ with: { epochs: 3 / 8 } })).read(name)
    const gap = (of: Float32Array) => of.reduce((most, value, at) => Math.max(most, Math.abs(value - byHand[at]!)), 0)
    assert.isBelow(gap(averaged), 1e-6)
    assert.isAbove(gap(last), 1e-4)
  })
)

it.effect("averages are what is evaluated, and training does not feel them", () =>
  Effect.gen(function* () {
    const plain = yield* fit({ with: { epochs: 2 }, validated: true })
    const barely = yield* fit({ with: { epochs: 2, ema_decay: 1e-9 }, validated: true })
    const averaged = yield* fit({ with: { epochs: 2, ema_decay: 0.9 }, validated: true })
    evalLosses(barely).forEach((loss, at) => assert.closeTo(loss, evalLosses(plain)[at]!, 1e-6))
    assert.isAbove(Math.abs(evalLosses(averaged)[0]! - evalLosses(plain)[0]!), 1e-4)
    const trained = (outcome: RunOutcome) => {
      const table = readTable(outcome.outputs["history"]!)
      return [...float64s(table, "loss")].filter((_, row) => strings(table, "part")[row] === "train")
    }
    assert.deepStrictEqual(trained(averaged), trained(plain))
  })
)

it.effect("an interrupted training goes on with its averages to the very bytes of a straight one", () =>
  Effect.gen(function* () {
    const chosen = { epochs: 3, ema_decay: 0.9 }
    const straight = yield* fit({ with: chosen, validated: true })
    const checkpoints = join(bench.folder, "interrupted")
    const onStep = (step: number) => {
      if (step === 13) throw new Error("the power went")
    }
    yield* Effect.exit(fit({ with: { ...chosen, checkpoint_every: 5 }, validated: true, checkpoints, onStep }))
    assert.deepStrictEqual(readdirSync(checkpoints), ["step-000000010"])
    const resumed = yield* fit({ with: chosen, validated: true, checkpoints })
    assert.strictEqual(resumed.counts["resumed_at_step"], 10)
    assert.strictEqual(resumed.outputs["model"]!.blob, straight.outputs["model"]!.blob)
    assert.strictEqual(resumed.outputs["history"]!.blob, straight.outputs["history"]!.blob)
  })
)
