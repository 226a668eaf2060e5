import { afterAll, assert, it } from "@effect/vitest"
import type { InputArtifact, StageError } from "@hone/core/Stage"
import { Effect } from "effect"
import { describe, expect } from "vitest"
import { float64, int32, utf8 } from "../arrow/columns.ts"
import { float64s, nullableFloat64s, readTable, strings } from "../arrow/reader.ts"
import { writeTable } from "../arrow/writer.ts"
import { evaluate } from "../evaluate/index.ts"
import { writePredictions } from "../evaluate/predictionsTable.ts"
import { folderIn, keep, makeBench, runStage } from "../testing/context.ts"
import { readModel, type Tensor, writeModel } from "../artifacts/model.ts"
import { tinyModel } from "../testing/models.ts"
import { compareToBase } from "./index.ts"
import { overfittingGap } from "./training.ts"

const bench = makeBench()
afterAll(() => bench.dispose())

interface Guess {
  readonly id: string
  readonly truth: string
  /** The probability of `pos`. */
  readonly pos: number
}

/** Of 1 000 rows the base gets 771 right; tuning fixes 120 and breaks 44. */
const truth = (row: number) => (row % 2 === 0 ? "pos" : "neg")
const guesses = (isRight: (row: number) => boolean, rows = 1000): Array<Guess> =>
  Array.from({ length: rows }, (_, row) => {
    const sure = 0.6 + (row % 40) / 100
    const says = isRight(row) === (truth(row) === "pos") ? sure : 1 - sure
    return { id: `row-${row}`, truth: truth(row), pos: says }
  })
const baseRight = (row: number) => row < 771
const tunedRight = (row: number) => (row < 771 ? row >= 44 : row < 891)

let made = 0
const predictions = (
  predictors: Readonly<Record<string, ReadonlyArray<Guess>>>,
  order = ["pos", "neg"]
): InputArtifact => {
  const folder = folderIn(bench, `p-${made++}`)
  const rows = Object.values(predictors)[0]!
  const output = writePredictions({
    folder,
    file: "p.arrow",
    rows: {
      rowIds: rows.map(({ id }) => id),
      texts: rows.map(({ id }) => `text of ${id}`),
      targets: { kind: "classes", classes: Int32Array.from(rows, (row) => order.indexOf(row.truth)) }
    },
    labels: order,
    predictors: Object.entries(predictors).map(([name, of]) => ({
      name,
      scores: Float32Array.from(of.flatMap(({ pos }) => order.map((label) => (label === "pos" ? pos : 1 - pos))))
    })),
    facts: { how: "probe" }
  })
  return keep(bench, folder, output)
}

const metrics = (model: ReadonlyArray<Guess>, rivals?: InputArtifact, order?: Array<string>) =>
  Effect.map(
    runStage(bench, evaluate, {
      stage: "metrics",
      inputs: { predictions: predictions({ model }, order), ...(rivals === undefined ? {} : { rivals }) }
    }),
    ({ outputs }) => outputs["metrics"]!
  )

const compare = (
  base: InputArtifact,
  tuned: InputArtifact,
  params: object = {},
  more: Record<string, InputArtifact> = {}
) => runStage(bench, compareToBase, { with: { resamples: 1000, ...params }, inputs: { base, tuned, ...more }, seed: 3 })

describe("compare-to-base", () => {
  it.effect("tells gain, interval, exact p, and the rows fixed and broken with their text", () =>
    Effect.gen(function* () {
      const base = yield* metrics(guesses(baseRight))
      // The tuned model lists its classes, and its rows, in another order: both are joined by name.
      const tuned = yield* metrics(guesses(tunedRight).toReversed(), undefined, ["neg", "pos"])
      const outcome = yield* compare(base, tuned, { resamples: 10_000 })
      const { facts } = outcome.outputs["comparison"]!
      expect(facts).toMatchObject({
        rows: 1000,
        fixed: 120,
        broken: 44,
        base_how: "probe",
        verdict: null
      })
      expect(outcome.counts).toEqual({ rows: 1000, both_right: 727, both_wrong: 109, fixed: 120, broken: 44 })
      assert.approximately((facts["p_value"] as number) / 2.461226157514897e-9, 1, 1e-9)
      const table = readTable(outcome.outputs["comparison"]!)
      expect(strings(table, "metric")).toEqual(["accuracy", "f1_macro", "mcc", "log_loss", "ece"])
      const [low, high] = [nullableFloat64s(table, "low")[0]!, nullableFloat64s(table, "high")[0]!]
      assert.approximately(float64s(table, "base")[0]!, 0.771, 1e-12)
      assert.approximately(float64s(table, "delta")[0]!, 0.076, 1e-12)
      // Normal approximation: the standard deviation of the difference is sqrt(164 - 76^2/1000)/1000.
      assert.approximately(low, 0.076 - 1.96 * 0.01258, 0.002)
      assert.approximately(high, 0.076 + 1.96 * 0.01258, 0.002)
      const changed = readTable(outcome.outputs["changed"]!)
      const [ids, change] = [strings(changed, "row_id"), strings(changed, "change")]
      expect(ids.filter((_, at) => change[at] === "broken").toSorted()).toEqual(
        Array.from({ length: 44 }, (_, row) => `row-${row}`).toSorted()
      )
      expect(ids.filter((_, at) => change[at] === "fixed")).toHaveLength(120)
      expect(strings(changed, "text")[0]).toBe(`text of ${ids[0]}`)
      const score = float64s(changed, "tuned_score")
      assert.isBelow(score[0]!, score[43]!, "the surest mistake first")
      const again = yield* compare(base, tuned, { resamples: 10_000 })
      expect(again.outputs["comparison"]!.blob).toBe(outcome.outputs["comparison"]!.blob)
    })
  )

  it.effect("tells the spread over trainings of other seeds", () =>
    Effect.gen(function* () {
      const base = yield* metrics(guesses(baseRight))
      const right = [820, 840, 860]
      const runs = yield* Effect.forEach(right, (count) => metrics(guesses((row) => row < count)))
      const seeds = Object.fromEntries(runs.map((run, at) => [`seeds@seed=${at + 1}`, run]))
      const { outputs } = yield* compare(base, runs[1]!, {}, seeds)
      const told = outputs["comparison"]!.facts["seeds"] as any as {
        runs: number
        same_rows: boolean
        metrics: ReadonlyArray<{ metric: string }>
      }
      expect([told.runs, told.same_rows]).toEqual([3, true])
      const fold = yield* metrics(guesses(baseRight).map((guess) => ({ ...guess, id: `fold-${guess.id}` })))
      const mixed = yield* compare(base, runs[1]!, {}, { ...seeds, "seeds@seed=4": fold })
      expect(mixed.outputs["comparison"]!.facts["seeds"]).toMatchObject({ runs: 4, same_rows: false })
      // statistics.stdev([0.82, 0.84, 0.86]) of Python is 0.02.
      expect(told.metrics.find(({ metric }) => metric === "accuracy")).toEqual({
        metric: "accuracy",
        mean: expect.closeTo(0.84, 12),
        sd: expect.closeTo(0.02, 12),
        worst: 0.82,
        best: 0.86
      })
      const loss = told.metrics.find(({ metric }) => metric === "log_loss") as unknown as {
        worst: number
        best: number
      }
      expect(loss.best).toBeLessThan(loss.worst)
      expect((yield* compare(base, runs[1]!)).outputs["comparison"]!.facts["seeds"]).toBeNull()
    })
  )

  it.effect("compares what thresholds decide, where an evaluation chose them", () =>
    Effect.gen(function* () {
      const base = yield* metrics(guesses(baseRight))
      // From a half on nothing is pos. Half-way between 0.195 and 0.2 every neg row is right, and 475 of 500 that are pos.
      const shy = (rows: ReadonlyArray<Guess>) => rows.map((guess) => ({ ...guess, pos: guess.pos / 2 }))
      const right = (row: number) => row % 20 !== 0
      const chosenOn = shy(guesses(right)).map((guess) => ({ ...guess, id: `v-${guess.id}` }))
      const of = predictions({ model: shy(guesses(right)) })
      const evaluated = (inputs: Record<string, InputArtifact>) =>
        Effect.map(runStage(bench, evaluate, { stage: "metrics", inputs }), ({ outputs }) => outputs["metrics"]!)
      const tuned = yield* evaluated({ predictions: of, thresholds_from: predictions({ model: chosenOn }) })
      const facts = (yield* compare(base, tuned, {}, { "seeds@seed=1": tuned, "seeds@seed=2": tuned })).outputs[
        "comparison"
      ]!.facts as any
      expect(facts.thresholds).toEqual({ base: null, tuned: { pos: expect.closeTo(0.1975, 6) } })
      expect(facts.predictors.tuned.accuracy).toBeCloseTo(0.975, 12)
      expect(facts.fixed - facts.broken).toBe(975 - 771)
      expect(facts.seeds.metrics[0]).toMatchObject({ metric: "accuracy", sd: 0 })
      expect(facts.seeds.metrics[0].mean).toBeCloseTo(0.975, 12)
      const plain = (yield* compare(base, yield* evaluated({ predictions: of }))).outputs["comparison"]!.facts as any
      expect(plain.thresholds).toEqual({ base: null, tuned: null })
      expect(plain.predictors.tuned.accuracy).toBeLessThan(0.6)
      // What hangs on probabilities alone is the same.
      for (const metric of ["log_loss", "ece"])
        expect(facts.predictors.tuned[metric]).toBe(plain.predictors.tuned[metric])
    })
  )

  it.effect("compares accuracies among the first k, where rows have more classes than k", () =>
    Effect.gen(function* () {
      const names = ["a", "b", "c", "d", "e"]
      // The true class stands at place `at` of five by score.
      const ranked = (places: ReadonlyArray<number>) => {
        const folder = folderIn(bench, `ranked-${made++}`)
        const rowIds = places.map((_, row) => `r${row}`)
        const classes = Int32Array.from(places, (_, row) => row % 5)
        const scores = places.flatMap((at, row) =>
          names.map((_, label) => (5 - ((label - (row % 5) + at + 5) % 5)) / 15)
        )
        const rows = { rowIds, texts: rowIds, targets: { kind: "classes", classes } } as const
        const predictors = [{ name: "model", scores: Float32Array.from(scores) }]
        return keep(bench, folder, writePredictions({ folder, file: "p.arrow", rows, labels: names, predictors }))
      }
      const told = (of: InputArtifact) =>
        Effect.map(
          runStage(bench, evaluate, { stage: "metrics", inputs: { predictions: of } }),
          ({ outputs }) => outputs["metrics"]!
        )
      const base = yield* told(ranked([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]))
      const tuned = yield* told(ranked([0, 1, 1, 3, 3, 0, 0, 1, 1, 3]))
      const { outputs } = yield* compare(base, tuned, { metrics: ["accuracy"], top_k: [4, 2, 7] })
      const { deltas } = outputs["comparison"]!.facts as any
      expect(deltas.map((delta: any) => [delta.metric, delta.base, delta.tuned])).toEqual([
        ["accuracy", 0.2, 0.3],
        ["top_2_accuracy", 0.4, 0.7],
        ["top_4_accuracy", 0.8, 1]
      ])
    })
  )

  it.effect("finds no difference between a model and itself", () =>
    Effect.gen(function* () {
      const same = yield* metrics(guesses(baseRight))
      const outcome = yield* compare(same, same)
      const table = readTable(outcome.outputs["comparison"]!)
      for (const column of ["delta", "low", "high"])
        expect(nullableFloat64s(table, column).every((value) => value === 0)).toBe(true)
      expect(outcome.outputs["comparison"]!.facts).toMatchObject({ fixed: 0, broken: 0, p_value: 1 })
      expect(readTable(outcome.outputs["changed"]!).numRows).toBe(0)
      expect(outcome.warnings).toEqual([
        "the interval of the accuracy's gain holds 0: these rows do not show that tuning changed it"
      ])
    })
  )

  it.effect("sets the rivals beside them, and says where they are not beaten", () =>
    Effect.gen(function* () {
      const rivals = predictions({
        majority: guesses((row) => truth(row) === "pos"),
        bag_of_words: guesses((row) => row < 900)
      })
      const base = yield* metrics(guesses(baseRight), rivals)
      const tuned = yield* metrics(guesses(tunedRight))
      const strict = { verdict: { must_beat_bag_of_words: true } }
      const outcome = yield* compare(base, tuned, strict)
      const facts = outcome.outputs["comparison"]!.facts as any
      expect(facts.rivals.majority[0]).toMatchObject({ metric: "accuracy", base: 0.5, tuned: 0.847 })
      expect(facts.predictors).toMatchObject({
        base: { accuracy: 0.771 },
        tuned: { accuracy: 0.847 },
        bag_of_words: { accuracy: 0.9 }
      })
      expect(facts.verdict).toMatchObject({
        passed: false,
        reasons: ["accuracy is 0.847, and a bag of words reaches 0.9"]
      })
      expect(outcome.warnings).toEqual(["a bag of words reaches 90.0 % where the tuned model reaches 84.7 %"])
      const alone = yield* compare(yield* metrics(guesses(baseRight)), tuned, strict)
      expect((alone.outputs["comparison"]!.facts as any).verdict.reasons[0]).toMatch(
        /no bag of words to beat: connect fit/
      )
    })
  )

  it.effect("judges by thresholds, of metrics too of which less is better", () =>
    Effect.gen(function* () {
      const base = yield* metrics(guesses(baseRight))
      const tuned = yield* metrics(guesses(tunedRight))
      const verdict = (thresholds: object) =>
        Effect.map(
          compare(base, tuned, { verdict: thresholds }),
          ({ outputs }) => outputs["comparison"]!.facts["verdict"] as any
        )
      expect(yield* verdict({ min_delta: 0.07, max_p_value: 0.01 })).toMatchObject({ passed: true, reasons: [] })
      expect((yield* verdict({ min_delta: 0.08, max_p_value: 1e-12 })).reasons).toEqual([
        "accuracy is 0.076 better than the base's, and min_delta asks for 0.08",
        "p is 2.461e-9, and max_p_value allows 1e-12"
      ])
      expect(yield* verdict({ metric: "log_loss", min_delta: 0.01 })).toMatchObject({ passed: true })
    })
  )

  it.effect("tells what was forgotten: figures, interval, test, and the surest new mistakes of the retained rows", () =>
    Effect.gen(function* () {
      const [base, tuned] = [yield* metrics(guesses(baseRight)), yield* metrics(guesses(tunedRight))]
      // Of 200 retained rows the base gets 180 right; tuning breaks 30 of them and fixes 4.
      const known = (row: number) => row < 180
      const kept = (row: number) => (row < 180 ? row >= 30 : row < 184)
      const retained = {
        retained_base: yield* metrics(guesses(known, 200)),
        retained_tuned: yield* metrics(guesses(kept, 200))
      }
      const asks = { verdict: { max_forgotten: 0.1 } }
      const outcome = yield* compare(base, tuned, asks, retained)
      const { forgotten, verdict } = outcome.outputs["comparison"]!.facts as any
      expect(forgotten).toMatchObject({
        rows: 200,
        base_how: "probe",
        tuned_how: "probe",
        fixed: 4,
        broken: 30,
        predictors: { base: { accuracy: 0.9 }, tuned: { accuracy: expect.closeTo(0.77, 12) } }
      })
      // Python: 2 * sum(comb(34, k) for k in range(5)) / 2**34
      expect(forgotten.p_value).toBeCloseTo(6.16488978266716e-6, 14)
      const [accuracy] = forgotten.deltas
      expect(accuracy).toMatchObject({ metric: "accuracy", delta: expect.closeTo(-0.13, 12) })
      // Normal approximation: the standard deviation of the difference is sqrt(34 - 26^2/200)/200.
      const sd = Math.sqrt(34 - 26 ** 2 / 200) / 200
      assert.approximately(accuracy.low, -0.13 - 1.96 * sd, 0.008)
      assert.approximately(accuracy.high, -0.13 + 1.96 * sd, 0.008)
      // Rows are the surer the higher their number: 29 is the surest mistake.
      expect(forgotten.worst.map(({ row_id }: { row_id: string }) => row_id)).toEqual(
        [29, 28, 27, 26, 25].map((row) => `row-${row}`)
      )
      expect(forgotten.worst[0]).toEqual({
        row_id: "row-29",
        text: "text of row-29",
        label: "neg",
        base_predicted: "neg",
        tuned_predicted: "pos",
        base_score: expect.closeTo(0.89, 6),
        tuned_score: expect.closeTo(0.11, 6)
      })
      expect(verdict.reasons).toEqual(["0.13 is forgotten on the retained rows, and max_forgotten allows 0.1"])
      expect(outcome.warnings).toContain(
        "the tuned model has forgotten something: on the retained rows it is worse than the base, beyond chance"
      )
      const table = readTable(outcome.outputs["forgotten"]!)
      expect(strings(table, "row_id")[0]).toBe("row-29")
      expect(strings(table, "change").filter((change) => change === "broken")).toHaveLength(30)

      const without = yield* compare(base, tuned)
      expect(without.outputs["comparison"]!.facts["forgotten"]).toBeNull()
      expect(readTable(without.outputs["forgotten"]!).numRows).toBe(0)
      const same = yield* compare(base, tuned, asks, { ...retained, retained_tuned: retained.retained_base })
      expect((same.outputs["comparison"]!.facts as any).verdict).toEqual({ passed: true, reasons: [] })
    })
  )

  it.effect("refuses to compare on other rows, or on rows labelled otherwise", () =>
    Effect.gen(function* () {
      const base = yield* metrics(guesses(baseRight))
      const fewer = (yield* Effect.flip(compare(base, yield* metrics(guesses(tunedRight).slice(1))))) as StageError
      expect([fewer.code, fewer.row_ids]).toEqual(["row_mismatch", ["row-0"]])
      const relabelled = guesses(tunedRight).map((guess, row) => (row === 5 ? { ...guess, truth: "pos" } : guess))
      const other = (yield* Effect.flip(compare(base, yield* metrics(relabelled)))) as StageError
      expect([other.code, other.row_ids]).toEqual(["label_mismatch", ["row-5"]])
    })
  )

  it.effect("tells how far each part of the model moved", () =>
    Effect.gen(function* () {
      const base = yield* metrics(guesses(baseRight))
      const base_model = tinyModel(bench)
      const opened = readModel(base_model, () => "")
      const tensor = (name: string, scale: number): [string, Tensor] => {
        const { shape } = opened.tensors.find((entry) => entry.name === name)!
        return [name, { shape, values: opened.read(name).map((value) => value * scale) }]
      }
      const blocks = opened.tensors.filter(({ name }) => name.includes("layer.1."))
      const folder = folderIn(bench, "moved")
      const tensors = new Map([
        ...blocks.map(({ name }) => tensor(name, 1.25)),
        ["classifier.weight", { shape: [2, 1], values: Float32Array.of(1, 2) }] as [string, Tensor]
      ])
      const moved = writeModel({ folder, file: "m.arrow", manifest: opened.manifest, from: opened, tensors })
      const outcome = yield* compare(base, base, {}, { base_model, model: keep(bench, folder, moved) })
      const drift = outcome.outputs["comparison"]!.facts["drift"] as unknown as ReadonlyArray<{
        part: string
        relative: number | null
      }>
      const changes = Object.fromEntries(drift.map(({ part, relative }) => [part, relative]))
      expect(changes).toMatchObject({ embeddings: 0, "block 0": 0, "block 2": 0, head: null })
      assert.approximately(changes["block 1"]!, 0.25, 1e-6)
    })
  )

  it("asks for both models or none, for both evaluations of retained rows or none", () => {
    const kinds = { base: { kind: "metrics" }, tuned: { kind: "metrics" } } as const
    const faults = (inputs: object) =>
      compareToBase.types({ params: {} as never, inputs: { ...kinds, ...inputs }, heads: {} }).faults
    expect(faults({})).toEqual([])
    expect(faults({ model: { kind: "model" } })[0]).toMatchObject({
      path: ["in", "model"],
      hint: "connect the base: base_model: base.model"
    })
    expect(faults({ retained_base: { kind: "metrics" } })[0]).toMatchObject({
      path: ["in", "retained_base"],
      hint: "connect an `evaluate` of the tuned model on the retained rows"
    })
    const asking = { verdict: { max_forgotten: 0.1 } } as never
    expect(compareToBase.types({ params: asking, inputs: kinds, heads: {} }).faults[0]).toMatchObject({
      path: ["with", "verdict", "max_forgotten"]
    })
  })
})

it("the overfitting gap is taken at the best evaluation and at the last", () => {
  const rows = [
    ["train", 1, 0.9],
    ["train", 2, 0.7],
    ["validation", 2, 0.75],
    ["train", 3, 0.5],
    ["train", 4, 0.3],
    ["validation", 4, 0.6],
    ["train", 5, 0.1],
    ["validation", 5, 0.65]
  ] as const
  const folder = folderIn(bench, "history")
  const columns = {
    optimizer_step: int32(Int32Array.from(rows, ([, step]) => step)),
    epoch: float64(Float64Array.from(rows, ([, step]) => step / 2)),
    part: utf8(rows.map(([part]) => part)),
    loss: float64(Float64Array.from(rows, ([, , loss]) => loss))
  }
  const history = readTable(keep(bench, folder, writeTable(folder, "h.arrow", columns)))
  const gap = overfittingGap(history)!
  expect(gap.best).toMatchObject({ optimizer_step: 4, epoch: 2, validation_loss: 0.6 })
  assert.approximately(gap.best.gap, 0.2, 1e-12)
  assert.approximately(gap.end.gap, 0.55, 1e-12)
})
