import { afterAll, assert, it } from "@effect/vitest"
import { type InputArtifact, StageError } from "@hone/core/Stage"
import { Effect, Schema } from "effect"
import { float32Lists, labelColumn, readTable, strings } from "../arrow/reader.ts"
import { makeBench, type RunOutcome, runStage } from "../testing/context.ts"
import { testEngine as engine, tinyModel, tinyRows, tokensArtifact } from "../testing/models.ts"
import { train } from "../train/index.ts"
import { evaluate } from "./index.ts"
import { EvaluateParams } from "./params.ts"

const bench = makeBench()
afterAll(() => bench.dispose())

const fitRows = tokensArtifact(bench, tinyRows(60))
const rows = tokensArtifact(bench, tinyRows(30, 1000))

const predictions = (inputs: Record<string, InputArtifact>, params: Record<string, unknown> = {}) =>
  runStage(bench, evaluate, { stage: "predictions", engine, inputs, with: params })

const features = (stage: string, model: InputArtifact, of: InputArtifact, params: Record<string, unknown> = {}) =>
  Effect.map(
    runStage(bench, evaluate, { stage, engine, inputs: { model, rows: of }, with: params }),
    ({ outputs }) => ({
      [stage]: outputs["features"]!
    })
  )

const read = (outcome: RunOutcome) => {
  const table = readTable(outcome.outputs["predictions"]!)
  const { indices, names } = labelColumn(table, "label")
  return {
    rowIds: strings(table, "row_id"),
    predicted: strings(table, "predicted"),
    label: [...indices].map((index) => names[index]!),
    scores: float32Lists(table, "scores").map((scores) => [...scores])
  }
}

/** Mean cross-entropy of the true classes. */
const logLoss = ({ label, scores }: ReturnType<typeof read>, names: ReadonlyArray<string>): number =>
  -scores.reduce((total, row, index) => total + Math.log(row[names.indexOf(label[index]!)]!), 0) / scores.length

const failure = (effect: Effect.Effect<unknown, unknown>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.instanceOf(error, StageError)
    return error as StageError
  })

it.effect("a tuned model predicts what its training saw in the best evaluation", () =>
  Effect.gen(function* () {
    for (const choice of [
      { strategy: { partial: { last_blocks: 1 } }, frozen_blocks: 2 },
      { strategy: "head", frozen_blocks: 3 }
    ] as const) {
      const tuned = yield* runStage(bench, train, {
        stage: "fit",
        engine,
        with: { epochs: 2, batch_size: 8, learning_rate: 3e-3 },
        inputs: { model: tinyModel(bench, choice), train: fitRows, validation: rows },
        seed: 5
      })
      const model = tuned.outputs["model"]!
      const kept = yield* features("features_rows", model, rows)
      const outcome = yield* predictions({ model, rows, ...kept })
      const uncached = read(yield* predictions({ model, rows }))
      uncached.scores.flat().forEach((score, at) => assert.closeTo(read(outcome).scores.flat()[at]!, score, 1e-5))
      const facts = tuned.reported["history"]!.facts
      assert.closeTo(logLoss(read(outcome), ["neg", "pos"]), Number(facts["best_loss"]), 1e-5)
      assert.deepStrictEqual(outcome.reported["predictions"]!.facts["labels"], ["neg", "pos"])
      assert.deepStrictEqual(
        read(outcome).rowIds,
        tinyRows(30, 1000).map(({ row_id }) => row_id)
      )
    }
  })
)

it.effect("the order of a model's labels changes no prediction: they are joined by name", () =>
  Effect.gen(function* () {
    const head = { pooling: "mean", dropout: 0, labels: ["pos", "neg"] } as const
    const outcome = yield* predictions({ model: tinyModel(bench, { head }), rows })
    const { label, predicted, rowIds, scores } = read(outcome)
    assert.deepStrictEqual(
      label,
      tinyRows(30, 1000).map((row) => row.label)
    )
    predicted.forEach((name, row) => assert.strictEqual(name, scores[row]![0]! >= scores[row]![1]! ? "pos" : "neg"))
    assert.strictEqual(rowIds.length, 30)
  })
)

it.effect("rows with a label that the model does not know are refused by name", () =>
  Effect.gen(function* () {
    const head = { pooling: "mean", dropout: 0, labels: ["LABEL_0", "LABEL_1"] } as const
    const error = yield* failure(predictions({ model: tinyModel(bench, { head }), rows }))
    assert.strictEqual(error.code, "unknown_labels")
    assert.match(error.message, /^30 rows at `rows` have labels that the model does not know \(neg, pos\): row1000, /)
  })
)

it.effect("a base without a head is probed on its frozen features, and learns what they hold", () =>
  Effect.gen(function* () {
    const model = tinyModel(bench)
    const ofRows = yield* features("features_rows", model, rows)
    const ofFit = yield* features("features_fit", model, fitRows)
    const outcome = yield* predictions({ model, rows, fit: fitRows, ...ofRows, ...ofFit })
    const { label, predicted } = read(outcome)
    const right = predicted.filter((name, row) => name === label[row]).length
    assert.isAbove(right / label.length, 0.6)
    assert.strictEqual(outcome.reported["predictions"]!.facts["how"], "probe")
    assert.strictEqual((yield* failure(predictions({ model, rows, ...ofRows }))).code, "no_fit")
  })
)

it("a base without rows to fit a probe on is a fault of the file", () => {
  const params = Schema.decodeUnknownSync(EvaluateParams)({})
  const port = {
    kind: "tokens",
    columns: { label: { type: "dictionary", nullable: false, labels: ["a", "b"] } }
  } as const
  const { faults } = evaluate.types({
    params,
    inputs: { model: { kind: "model", head: false }, rows: port },
    heads: {}
  })
  assert.deepStrictEqual(
    faults.map(({ hint }) => hint),
    ["connect the training rows: fit: parts.train"]
  )
  const known = { kind: "model", head: true, labels: ["a"] } as const
  const mismatch = evaluate.types({ params, inputs: { model: known, rows: port }, heads: {} }).faults
  assert.match(mismatch[0]!.message, /labels that the model does not predict: b$/)
})

it.effect("a tuned model can be probed on another label set: what of the base it still knows", () =>
  Effect.gen(function* () {
    const head = { pooling: "mean", dropout: 0, labels: ["other", "labels"] } as const
    const model = tinyModel(bench, { head })
    const by = { by: "probe" }
    const ofRows = yield* features("features_rows", model, rows, by)
    const ofFit = yield* features("features_fit", model, fitRows, by)
    const outcome = yield* predictions({ model, rows, fit: fitRows, ...ofRows, ...ofFit }, by)
    assert.strictEqual(outcome.reported["predictions"]!.facts["how"], "probe")
    assert.deepStrictEqual(outcome.reported["predictions"]!.facts["labels"], ["neg", "pos"])
    const port = {
      kind: "tokens",
      columns: { label: { type: "dictionary", nullable: false, labels: ["neg", "pos"] } }
    } as const
    const given = { model: { kind: "model", head: true, labels: ["other", "labels"] }, rows: port } as const
    const faults = (params: object, inputs: object = {}) =>
      evaluate.types({
        params: Schema.decodeUnknownSync(EvaluateParams)(params),
        inputs: { ...given, ...inputs },
        heads: {}
      }).faults
    assert.match(faults({})[0]!.message, /labels that the model does not predict/)
    assert.match(faults(by)[0]!.hint, /fit: parts.train/)
    assert.deepStrictEqual(faults(by, { fit: port }), [])
  })
)
