import { afterAll, assert, it } from "@effect/vitest"
import { type InputArtifact, StageError } from "@hone/core/Stage"
import { Effect } from "effect"
import { float64s, nullableStrings, readTable, strings } from "../arrow/reader.ts"
import { folderIn, keep, makeBench, type RunOutcome, runStage } from "../testing/context.ts"
import type { Targets } from "../tensors/targets.ts"
import { evaluate } from "./index.ts"
import { writePredictions } from "./predictionsTable.ts"
import { bestThreshold } from "./thresholds.ts"

const bench = makeBench()
afterAll(() => bench.dispose())

const predictionsOf = (
  part: string,
  labels: ReadonlyArray<string>,
  scores: ReadonlyArray<number>,
  targets: Targets
) => {
  const folder = folderIn(bench, part)
  const rowIds = Array.from({ length: scores.length / labels.length }, (_, row) => `${part}-${row}`)
  const predictors = [{ name: "model", scores: Float32Array.from(scores) }]
  return keep(
    bench,
    folder,
    writePredictions({ folder, file: "p.arrow", rows: { rowIds, texts: rowIds, targets }, labels, predictors })
  )
}

const metrics = (predictions: InputArtifact, thresholds_from: InputArtifact) =>
  runStage(bench, evaluate, { stage: "metrics", inputs: { predictions, thresholds_from }, with: { resamples: 0 } })

const valueOf = (outcome: RunOutcome, predictor: string, metric: string, of: string | null = null) => {
  const table = readTable(outcome.outputs["metrics"]!)
  const [predictors, names, classes] = [
    strings(table, "predictor"),
    strings(table, "metric"),
    nullableStrings(table, "class")
  ]
  const row = names.findIndex((name, at) => name === metric && predictors[at] === predictor && classes[at] === of)
  return row < 0 ? undefined : float64s(table, "value")[row]
}

it("the threshold is the one of the highest F1, by trying all of them", () => {
  // F1 from each score on: 0.9: 2/4, 0.7: 2/5, 0.4: 4/6, 0.3: 6/7, 0.1: 6/8.
  assert.closeTo(bestThreshold([1, 0, 1, 1, 0], [0.9, 0.7, 0.4, 0.3, 0.1]), 0.2, 1e-12)
  // Equal scores fall on one side.
  assert.closeTo(bestThreshold([1, 0, 0], [0.6, 0.6, 0.2]), 0.4, 1e-12)
  assert.strictEqual(bestThreshold([0, 0], [0.9, 0.1]), 0.5)
})

it.effect("of two classes, what validation rows chose is applied to the others, and told", () =>
  Effect.gen(function* () {
    const both = (positive: ReadonlyArray<number>) => positive.flatMap((score) => [1 - score, score])
    const targets = (...classes: Array<number>): Targets => ({ kind: "classes", classes: Int32Array.from(classes) })
    const validation = predictionsOf(
      "two-validation",
      ["ham", "spam"],
      both([0.45, 0.35, 0.25, 0.05]),
      targets(1, 1, 0, 0)
    )
    const test = predictionsOf("two-test", ["ham", "spam"], both([0.4, 0.31, 0.2, 0.1]), targets(1, 1, 0, 0))
    const outcome = yield* metrics(test, validation)
    assert.strictEqual(valueOf(outcome, "model", "accuracy"), 0.5)
    assert.strictEqual(valueOf(outcome, "model_thresholds", "accuracy"), 1)
    assert.strictEqual(valueOf(outcome, "model_thresholds", "f1", "spam"), 1)
    assert.closeTo(valueOf(outcome, "model_thresholds", "threshold", "spam")!, 0.3, 1e-6)
    // Rankings do not hang on a threshold: they are told once.
    assert.isUndefined(valueOf(outcome, "model_thresholds", "auroc"))
    const same = yield* Effect.flip(metrics(test, test))
    assert.strictEqual((same as StageError).code, "thresholds_on_test_rows")
  })
)

it.effect("of several labels, each has its own", () =>
  Effect.gen(function* () {
    const targets = (...values: Array<number>): Targets => ({
      kind: "several",
      labels: 2,
      values: Float32Array.from(values)
    })
    const validation = predictionsOf(
      "several-validation",
      ["a", "b"],
      [0.3, 0.9, 0.2, 0.8, 0.1, 0.6],
      targets(1, 1, 1, 0, 0, 0)
    )
    const test = predictionsOf("several-test", ["a", "b"], [0.25, 0.95, 0.18, 0.7], targets(1, 1, 1, 0))
    const outcome = yield* metrics(test, validation)
    assert.strictEqual(valueOf(outcome, "model", "subset_accuracy"), 0)
    assert.strictEqual(valueOf(outcome, "model_thresholds", "subset_accuracy"), 1)
    assert.closeTo(valueOf(outcome, "model_thresholds", "threshold", "a")!, 0.15, 1e-6)
    assert.closeTo(valueOf(outcome, "model_thresholds", "threshold", "b")!, 0.85, 1e-6)
  })
)

it.effect("of three classes none is chosen, with a word", () =>
  Effect.gen(function* () {
    const targets: Targets = { kind: "classes", classes: Int32Array.of(0) }
    const one = (part: string) => predictionsOf(part, ["a", "b", "c"], [0.5, 0.3, 0.2], targets)
    const outcome = yield* metrics(one("three-test"), one("three-validation"))
    assert.match(outcome.warnings[0]!, /two classes or several labels/)
    assert.isUndefined(valueOf(outcome, "model_thresholds", "accuracy"))
  })
)
