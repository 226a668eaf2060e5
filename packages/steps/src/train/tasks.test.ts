import { afterAll, assert, it } from "@effect/vitest"
import { type InputArtifact, StageError } from "@hone/core/Stage"
import { Effect, Schema } from "effect"
import { readModel } from "../artifacts/model.ts"
import { float64s, nullableStrings, readTable, strings, textLists } from "../arrow/reader.ts"
import { compareToBase } from "../compare-to-base/index.ts"
import { evaluate } from "../evaluate/index.ts"
import { makeBench, type RunOutcome, runStage } from "../testing/context.ts"
import { testEngine as engine, tinyModel, type TinyRow, tinyRows, tokensArtifact } from "../testing/models.ts"
import { epochBatches } from "../tensors/batches.ts"
import { divergence } from "./history.ts"
import { train } from "./index.ts"
import { TrainParams } from "./params.ts"
import { rateOf } from "./rates.ts"

const bench = makeBench()
afterAll(() => bench.dispose())
const blobPath = (blob: string) => bench.blobs.get(blob)!

/** Rows that have tokens 14 and 15, or not, in all four ways. */
const marked = (count: number, first: number, label: (has4: boolean, has5: boolean) => TinyRow["label"]) =>
  tinyRows(count, first).map(({ input_ids, row_id }, row) => {
    const [has4, has5] = [row % 2 === 0, row % 4 < 2]
    const others = input_ids.slice(2, 6).filter((id) => id >= 20)
    const ids = [1, ...(has4 ? [14, 14] : [16]), ...(has5 ? [15, 15] : [17]), ...others]
    return { row_id, label: label(has4, has5), input_ids: ids }
  })

const settings = {
  learning_rate: 1e-2,
  batch_size: 8,
  epochs: 8,
  early_stopping: false,
  hidden_dropout: 0,
  attention_dropout: 0,
  classifier_dropout: 0
}

interface Job {
  readonly fit: InputArtifact
  /** Left out: the last weights are kept. */
  readonly rows?: InputArtifact
  readonly with?: Record<string, unknown>
  readonly model?: InputArtifact
}

const tune = ({ fit, model, rows, with: params }: Job) =>
  runStage(bench, train, {
    stage: "fit",
    engine,
    seed: 3,
    with: { ...settings, ...params },
    inputs: { model: model ?? tinyModel(bench), train: fit, ...(rows === undefined ? {} : { validation: rows }) }
  })

/** The stages of an evaluation, as the runner would run them. */
const evaluated = (model: InputArtifact, rows: InputArtifact, fit?: InputArtifact) =>
  Effect.gen(function* () {
    const isProbed = model.facts["head"] === null
    const inputs: Record<string, InputArtifact> = { model, rows, ...(fit === undefined ? {} : { fit }) }
    const stage = (name: string, given: Record<string, InputArtifact>) =>
      runStage(bench, evaluate, { stage: name, engine, inputs: given })
    const features = isProbed
      ? {
          features_rows: (yield* stage("features_rows", { model, rows })).outputs["features"]!,
          features_fit: (yield* stage("features_fit", { model, rows: fit! })).outputs["features"]!
        }
      : {}
    const { outputs: made } = yield* stage("predictions", { ...inputs, ...features })
    const { outputs: others } = yield* stage("rivals", inputs)
    const predictions = made["predictions"]!
    const metrics = yield* stage("metrics", { predictions, rivals: others["rivals"]! })
    return { predictions, metrics, facts: metrics.outputs["metrics"]!.facts as Record<string, Record<string, number>> }
  })

const compared = (base: InputArtifact, tuned: InputArtifact) =>
  runStage(bench, compareToBase, { inputs: { base, tuned }, with: { resamples: 200 } })

const bestLoss = (outcome: RunOutcome) => Number(outcome.reported["history"]!.facts["best_loss"])

it.effect("numbers are learned, told in their own unit, and stand beside their mean and a bag of words", () =>
  Effect.gen(function* () {
    const target = (has4: boolean, has5: boolean) => 5000 + (has4 ? 300 : 0) + (has5 ? 100 : 0)
    const fit = tokensArtifact(bench, marked(64, 0, target))
    const rows = tokensArtifact(bench, marked(32, 500, target))
    const tuned = yield* tune({ fit, rows })
    assert.strictEqual(tuned.reported["model"]!.facts["task"], "text-regression")
    const after = yield* evaluated(tuned.outputs["model"]!, rows)
    // The best validation loss of the training is the mean squared error of what the written model predicts.
    assert.closeTo(after.facts["model"]!["rmse"]! ** 2 / bestLoss(tuned), 1, 1e-3)
    assert.isAbove(after.facts["model"]!["r2"]!, 0.8)
    const before = yield* evaluated(tinyModel(bench), rows, fit)
    assert.closeTo(before.facts["majority"]!["r2"]!, 0, 0.01)
    assert.isAbove(before.facts["bag_of_words"]!["pearson"]!, 0.9)
    assert.isBelow(after.facts["model"]!["mae"]!, before.facts["majority"]!["mae"]!)
    const { outputs, reported } = yield* compared(before.metrics.outputs["metrics"]!, after.metrics.outputs["metrics"]!)
    const metrics = strings(readTable(outputs["comparison"]!), "metric")
    assert.deepStrictEqual([...new Set(metrics)], ["mae", "rmse", "r2", "pearson", "spearman"])
    assert.strictEqual(reported["comparison"]!.facts["p_value"], null)
    assert.strictEqual(readTable(outputs["changed"]!).numRows, 0)
  })
)

it.effect("a regression goes on from its own head, and its weights are in the unit of the targets", () =>
  Effect.gen(function* () {
    const target = (has4: boolean) => (has4 ? 40 : 20)
    const fit = tokensArtifact(bench, marked(32, 0, target))
    const first = yield* tune({ fit, rows: fit, with: { epochs: 6 } })
    const again = yield* tune({
      fit,
      rows: fit,
      model: first.outputs["model"]!,
      with: { epochs: 1, learning_rate: 1e-9 }
    })
    assert.closeTo(bestLoss(again), bestLoss(first), 1e-3 * Math.max(1, bestLoss(first)))
    const bias = (outcome: RunOutcome) => readModel(outcome.outputs["model"]!, blobPath).read("classifier.bias")[0]!
    assert.closeTo(bias(again), bias(first), 1e-3)
    const classes = tokensArtifact(bench, tinyRows(8))
    const error = yield* Effect.flip(evaluated(first.outputs["model"]!, classes))
    assert.strictEqual((error as StageError).code, "task_mismatch")
  })
)

it.effect("several labels a row are learned, none among them, and scored label by label", () =>
  Effect.gen(function* () {
    const names = (has4: boolean, has5: boolean) => [...(has5 ? ["five"] : []), ...(has4 ? ["four"] : [])]
    const fit = tokensArtifact(bench, marked(64, 0, names))
    const rows = tokensArtifact(bench, marked(32, 500, names))
    const tuned = yield* tune({ fit, rows, with: { class_weights: "balanced", epochs: 10 } })
    const { manifest } = readModel(tuned.outputs["model"]!, blobPath)
    assert.strictEqual(manifest.task, "multi-label-classification")
    assert.deepStrictEqual(manifest.head?.labels, ["five", "four"])
    const after = yield* evaluated(tuned.outputs["model"]!, rows)
    assert.isAbove(after.facts["model"]!["f1_micro"]!, 0.9)
    assert.closeTo(after.facts["model"]!["log_loss"]!, bestLoss(tuned), 1e-4)
    const predicted = textLists(readTable(after.predictions), "predicted")
    assert.isTrue(predicted.some((labels) => labels.length === 0) && predicted.some((labels) => labels.length === 2))
    const table = readTable(after.metrics.outputs["metrics"]!)
    assert.includeMembers(nullableStrings(table, "class"), ["five", "four"])
    const before = yield* evaluated(tinyModel(bench), rows, fit)
    assert.isAbove(before.facts["bag_of_words"]!["subset_accuracy"]!, 0.9)
    const { reported } = yield* compared(before.metrics.outputs["metrics"]!, after.metrics.outputs["metrics"]!)
    assert.isNumber(reported["comparison"]!.facts["p_value"])
  })
)

it.effect("a new head for several labels begins where each is as likely as the training rows have it", () =>
  Effect.gen(function* () {
    const several = marked(64, 0, () => []).map((row, at) => ({
      ...row,
      label: at % 16 === 0 ? ["rare", "usual"] : ["usual"].slice(Math.min(1, at % 4))
    }))
    const fit = tokensArtifact(bench, several)
    const begun = (params: Record<string, unknown>) =>
      tune({ fit, rows: fit, with: { ...params, epochs: 1, learning_rate: 1e-9 } })
    const rates = (params: Record<string, unknown>) =>
      Effect.gen(function* () {
        const tuned = yield* begun(params)
        const logits = readModel(tuned.outputs["model"]!, blobPath).read("classifier.bias")
        return Array.from(logits, (logit) => 1 / (1 + Math.exp(-logit)))
      })
    const near = (found: ReadonlyArray<number>, expected: ReadonlyArray<number>) =>
      expected.forEach((value, at) => assert.closeTo(found[at]!, value, 1e-5))
    near(yield* rates({}), [4.5 / 65, 16.5 / 65])
    near(yield* rates({ initial_bias: "zeros" }), [0.5, 0.5])
    // Weighed so that both sides count alike, about one half is where to begin.
    near(yield* rates({ class_weights: "balanced" }), [(4.5 * 15) / (4.5 * 15 + 60.5), (16.5 * 3) / (16.5 * 3 + 48.5)])
    // What has learned no more says so where it is evaluated.
    const after = yield* evaluated((yield* begun({})).outputs["model"]!, fit)
    assert.match(after.metrics.warnings[0]!, /gives no row a label: the highest probability on 64 rows is 0\.[0-4]/u)
  })
)

it.effect("of a pair, which text a token is of is read: the same tokens in the other text are another row", () =>
  Effect.gen(function* () {
    // The same two tokens; what differs is on which side of the border the 4 stands.
    const pairs = (count: number, first: number) =>
      tinyRows(count, first).map(({ row_id }, row) => ({
        row_id,
        label: row % 2 === 0 ? "first" : "second",
        input_ids: [1, 20 + (row % 7), 4, 30 + (row % 5)],
        second: row % 2 === 0 ? 3 : 2
      }))
    const [fit, rows] = [tokensArtifact(bench, pairs(48, 0)), tokensArtifact(bench, pairs(24, 500))]
    const tuned = yield* tune({ fit, rows, with: { epochs: 10 } })
    assert.strictEqual(tuned.reported["model"]!.facts["task"], "pair-classification")
    const after = yield* evaluated(tuned.outputs["model"]!, rows, fit)
    assert.strictEqual(after.facts["model"]!["accuracy"], 1)
    // A bag of words does not see the border.
    assert.isBelow(after.facts["bag_of_words"]!["accuracy"]!, 0.7)
    assert.include(strings(readTable(after.predictions), "text")[0]!, " | ")
    // Through a cached prefix as through the whole model.
    const frozen = { strategy: { partial: { last_blocks: 1 } }, frozen_blocks: 2 } as const
    const model = tinyModel(bench, { ...frozen, head: { pooling: "mean", labels: ["first", "second"], dropout: 0 } })
    const features = yield* runStage(bench, evaluate, { stage: "features_rows", engine, inputs: { model, rows } })
    const kept = { features_rows: features.outputs["features"]! }
    const scores = (more: Record<string, InputArtifact>) =>
      Effect.map(
        runStage(bench, evaluate, { stage: "predictions", engine, inputs: { model, rows, ...more } }),
        ({ outputs }) =>
          readTable(outputs["predictions"]!).getChild("scores")!.toArray() as ReadonlyArray<Iterable<number>>
      )
    const [cached, whole] = [yield* scores(kept), yield* scores({})]
    whole.forEach((row, at) => [...row].forEach((value, of) => assert.closeTo([...cached[at]!][of]!, value, 1e-5)))
  })
)

const lossesOf = (outcome: RunOutcome) => [...float64s(readTable(outcome.outputs["history"]!), "loss")]

it.effect("k micro-batches give the steps of one batch under each loss", () =>
  Effect.gen(function* () {
    const several = (has4: boolean, has5: boolean) => [...(has5 ? ["five"] : []), ...(has4 ? ["four"] : [])]
    const classes = tokensArtifact(bench, tinyRows(60))
    const cases = [
      [classes, { label_smoothing: 0.2, class_weights: { neg: 3 } }],
      [classes, { focal_gamma: 2, class_weights: "balanced" }],
      [tokensArtifact(bench, marked(60, 0, several)), { class_weights: { five: 4 } }],
      [
        tokensArtifact(
          bench,
          marked(60, 0, (has4) => (has4 ? 1 : 7))
        ),
        {}
      ]
    ] as const
    for (const [fit, loss] of cases) {
      const plain = { ...loss, epochs: 1, group_by_length: false, learning_rate: 1e-3 }
      const whole = yield* tune({ fit, rows: fit, with: { ...plain, batch_size: 16 } })
      const parts = yield* tune({ fit, rows: fit, with: { ...plain, batch_size: 4, gradient_accumulation_steps: 4 } })
      lossesOf(whole).forEach((value, at) => assert.closeTo(lossesOf(parts)[at]! / value, 1, 1e-4))
    }
  })
)

it.effect("class weights change what is learned of unequal classes: the rare one is found more often", () =>
  Effect.gen(function* () {
    // Both classes share their tokens; one row in eight is `rare`.
    const rows = tinyRows(64).map((row, at) => ({
      ...row,
      label: at % 8 === 0 ? "rare" : "usual",
      input_ids: [1, 9, 10]
    }))
    const fit = tokensArtifact(bench, rows)
    const share = (params: Record<string, unknown>) =>
      Effect.gen(function* () {
        // Whole batches: in a part of the rows the rare class has another share.
        const tuned = yield* tune({ fit, with: { ...params, batch_size: 64, epochs: 30 } })
        const table = readTable((yield* evaluated(tuned.outputs["model"]!, fit)).predictions)
        return [...(table.getChild("scores")!.get(0) as Iterable<number>)][0]!
      })
    assert.closeTo(yield* share({}), 1 / 8, 0.05)
    assert.closeTo(yield* share({ class_weights: "balanced" }), 1 / 2, 0.1)
    assert.closeTo(yield* share({ class_weights: { rare: 7 / 3 } }), 1 / 4, 0.08)
  })
)

it("a loss that does not fit the task, or a weight of no label, is a fault of the file", () => {
  const port = (type: "dictionary" | "float64") => ({
    kind: "tokens" as const,
    columns: { label: { type, nullable: false, ...(type === "dictionary" ? { labels: ["a", "b"] } : {}) } }
  })
  const faults = (type: "dictionary" | "float64", params: Record<string, unknown>) =>
    train
      .types({ params: Schema.decodeUnknownSync(TrainParams)(params), inputs: { train: port(type) }, heads: {} })
      .faults.map(({ message, path }) => `${path.join(".")}: ${message}`)
  assert.deepStrictEqual(faults("float64", { label_smoothing: 0.1 }), [
    "with.label_smoothing: label_smoothing is for rows of one class each"
  ])
  assert.deepStrictEqual(faults("dictionary", { label_smoothing: 0.1, focal_gamma: 1 }), [
    "with.label_smoothing: label_smoothing and focal_gamma exclude each other"
  ])
  assert.deepStrictEqual(faults("dictionary", { class_weights: { a: 2, c: 1 } }), [
    'with.class_weights.c: there is no label "c"'
  ])
  assert.deepStrictEqual(faults("dictionary", { class_weights: "balanced" }), [])
})

it.effect("a training that diverges is stopped with the reason, before it has run its course", () =>
  Effect.gen(function* () {
    const fit = tokensArtifact(bench, tinyRows(64))
    // A thousand times the rate that this model learns at, without clipping.
    const wild = { learning_rate: 10, max_grad_norm: 0, warmup_ratio: 0.9, epochs: 40 }
    const error = (yield* Effect.flip(tune({ fit, rows: fit, with: wild }))) as StageError
    assert.strictEqual(error.code, "diverged")
    assert.match(error.message, /optimizer step \d+ the loss of the last 20 steps is [\d.]+ times/)
    // From the second step on, so that the first steps are no measure: seen at the first look, after 20.
    const atOnce = { learning_rate: 10, max_grad_norm: 0, lr_scheduler_type: "constant", epochs: 40 }
    const early = (yield* Effect.flip(tune({ fit, rows: fit, with: atOnce }))) as StageError
    assert.match(early.message, /at optimizer step 20 /)
  })
)

it("a training that starts from small losses, or from large ones that fall slowly, is not one that diverges", () => {
  const told = (losses: ReadonlyArray<number>) =>
    divergence(
      losses.map((loss, at) => ({
        optimizer_step: at + 1,
        epoch: 0,
        part: "train",
        loss,
        accuracy: null,
        learning_rate: 0,
        grad_norm: 0
      })),
      3,
      Math.LN2
    )
  const steps = (count: number, loss: (at: number) => number) => Array.from({ length: count }, (_, at) => loss(at))
  assert.isUndefined(told(steps(40, (at) => (at === 0 ? 0.001 : 0.3))))
  assert.isUndefined(told(steps(40, (at) => 6 - at / 20)))
  assert.isUndefined(told(steps(19, () => 1000)))
  assert.closeTo(told(steps(20, (at) => (at === 0 ? 0.7 : 700)))!, 950, 1)
  assert.closeTo(told(steps(40, (at) => (at < 20 ? 0.2 : 0.9)))!, 4.5, 1e-9)
})

it("rows of like length share a batch, with other neighbours in each epoch, of a small set too", () => {
  const lengths = Array.from({ length: 160 }, (_, row) => row + 1)
  const order = { seed: 1, batch_size: 8, group_by_length: true }
  const tokens = (batches: ReadonlyArray<ReadonlyArray<number>>) =>
    batches.reduce((sum, rows) => sum + rows.length * Math.max(...rows.map((row) => lengths[row]!)), 0)
  const [first, second] = [0, 1].map((epoch) => epochBatches(lengths, { ...order, epoch }))
  assert.isBelow(tokens(first!), 0.8 * tokens(epochBatches(lengths, { ...order, epoch: 0, group_by_length: false })))
  // Rows of one length, as lines of print nearly are, meet others than those that stand beside them in the file.
  const lines = epochBatches(new Uint32Array(160).fill(12), { ...order, epoch: 0 })
  assert.isTrue(lines.every((rows) => Math.max(...rows) - Math.min(...rows) > 16))
  const neighbours = (batches: ReadonlyArray<ReadonlyArray<number>>) => batches.find((rows) => rows.includes(80))
  assert.notDeepEqual([...neighbours(first!)!].sort(), [...neighbours(second!)!].sort())
})

it("sampling by class draws each class equally often, every row of it before any comes again, anew in each epoch", () => {
  const classes = Int32Array.from({ length: 40 }, (_, row) => (row % 10 === 0 ? 1 : 0))
  const order = { seed: 1, batch_size: 8, group_by_length: true, balance: classes }
  const lengths = classes.map((_, row) => 1 + (row % 5))
  const drawn = epochBatches(lengths, { ...order, epoch: 0 }).flat()
  assert.strictEqual(drawn.length, 40)
  const times = (row: number) => drawn.filter((other) => other === row).length
  const rare = [0, 10, 20, 30].map(times)
  assert.deepStrictEqual(rare, [5, 5, 5, 5])
  assert.strictEqual(new Set(drawn.filter((row) => classes[row] === 0)).size, 20)
  assert.deepStrictEqual(epochBatches(lengths, { ...order, epoch: 0 }).flat(), drawn)
  assert.notDeepEqual(epochBatches(lengths, { ...order, epoch: 1 }).flat(), drawn)
})

it("blocks learn the slower the further they are from the head, which has a rate of its own", () => {
  const rate = rateOf({ learning_rate: 1e-4, head_learning_rate: 1e-3, layer_decay: 0.5 }, { num_hidden_layers: 3 })
  assert.closeTo(rate("classifier.weight"), 10, 1e-9)
  assert.closeTo(rate("pooler.dense.bias"), 10, 1e-9)
  assert.strictEqual(rate("encoder.layer.2.output.dense.weight"), 1)
  assert.strictEqual(rate("encoder.layer.0.output.dense.weight"), 0.25)
  assert.strictEqual(rate("embeddings.LayerNorm.bias"), 0.125)
})
