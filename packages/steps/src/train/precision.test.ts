import { afterAll, assert, it } from "@effect/vitest"
import { StageError } from "@hone/core/Stage"
import { Effect } from "effect"
import { float64s, readTable, strings } from "../arrow/reader.ts"
import { makeBench, type RunOutcome, runStage } from "../testing/context.ts"
import { nativeEngine, testEngine, tinyModel, tinyRows, tokensArtifact } from "../testing/models.ts"
import { train } from "./index.ts"

const bench = makeBench()
afterAll(() => bench.dispose())

const rows = tokensArtifact(bench, tinyRows(60))
const fit = (precision: string, engine = testEngine) =>
  runStage(bench, train, {
    stage: "fit",
    engine,
    with: { learning_rate: 3e-3, batch_size: 8, epochs: 2, precision },
    inputs: { model: tinyModel(bench), train: rows },
    seed: 11
  })
const losses = (outcome: RunOutcome) => {
  const table = readTable(outcome.outputs["history"]!)
  const parts = strings(table, "part")
  return [...float64s(table, "loss")].filter((_, row) => parts[row] === "train")
}

const native = nativeEngine()

it.effect.skipIf(native === undefined)("precision: bf16 trains to nearly the same losses, and to another model", () =>
  Effect.gen(function* () {
    const [exact, rounded] = [yield* fit("fp32", native), yield* fit("bf16", native)]
    losses(exact).forEach((loss, step) => assert.approximately(losses(rounded)[step]!, loss, 0.02))
    assert.notStrictEqual(rounded.outputs["model"]!.content, exact.outputs["model"]!.content)
  })
)

it.effect("precision: bf16 on an engine that has none is a failure with its mend", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(fit("bf16"))
    assert.instanceOf(error, StageError)
    assert.strictEqual((error as StageError).code, "engine_unavailable")
    assert.include((error as StageError).hint, "precision: fp32")
  })
)
