import { afterAll, assert, it } from "@effect/vitest"
import type { InputArtifact } from "@hone/core/Stage"
import { Effect } from "effect"
import { describe, expect } from "vitest"
import { int32, labelDictionary, labels, utf8 } from "../arrow/columns.ts"
import { nullableStrings, readTable, strings } from "../arrow/reader.ts"
import { writeTable } from "../arrow/writer.ts"
import { folderIn, keep, makeBench, runStage } from "../testing/context.ts"
import { evaluate } from "./index.ts"
import { writePredictions } from "./predictionsTable.ts"
import { type ScoredClasses, readScored } from "./scored.ts"

const bench = makeBench()
afterAll(() => bench.dispose())

let made = 0
const predictionsOf = (
  order: ReadonlyArray<string>,
  scores: ReadonlyArray<ReadonlyArray<number>>,
  truth: ReadonlyArray<string>
) => {
  const folder = folderIn(bench, `predictions-${made++}`)
  const rowIds = truth.map((_, row) => `row-${row}`)
  const output = writePredictions({
    folder,
    file: "p.arrow",
    rows: {
      rowIds,
      texts: rowIds,
      targets: { kind: "classes", classes: Int32Array.from(truth, (name) => order.indexOf(name)) }
    },
    labels: order,
    predictors: [{ name: "model", scores: Float32Array.from(scores.flat()) }],
    facts: { how: "classifier" }
  })
  return keep(bench, folder, output)
}

const rowsOf = (texts: ReadonlyArray<string>, names: ReadonlyArray<string>): InputArtifact => {
  const folder = folderIn(bench, `rows-${made++}`)
  const dictionary = labelDictionary([...new Set(names)])
  const columns = {
    row_id: utf8(texts.map((_, row) => `row-${row}`)),
    text: utf8(texts),
    label: labels(
      Int32Array.from(names, (name) => dictionary.names.indexOf(name)),
      dictionary
    )
  }
  return keep(bench, folder, writeTable(folder, "rows.arrow", columns))
}

const metrics = (inputs: Record<string, InputArtifact>, names?: ReadonlyArray<string>) =>
  runStage(bench, evaluate, { stage: "metrics", inputs, with: names === undefined ? {} : { metrics: names } })

const values = (artifact: InputArtifact): Record<string, number> => {
  const table = readTable(artifact)
  const [of, predicted] = [nullableStrings(table, "class"), nullableStrings(table, "predicted")]
  const metric = strings(table, "metric")
  const value = table.getChild("value")!.toArray() as Float64Array
  return Object.fromEntries(
    strings(table, "predictor").map((predictor, row) => [
      [predictor, metric[row], of[row], predicted[row]].filter((part) => part !== null).join(" "),
      value[row]!
    ])
  )
}

describe("metrics", () => {
  const truth = ["pos", "neg", "pos", "pos"]
  const scores = [
    [0.9, 0.1],
    [0.3, 0.7],
    [0.2, 0.8],
    [0.6, 0.4]
  ]

  it.effect("are computed by class name, whatever the order of the scores", () =>
    Effect.gen(function* () {
      const outcome = yield* metrics({ predictions: predictionsOf(["pos", "neg"], scores, truth) })
      const turned = scores.map(([pos, neg]) => [neg!, pos!])
      const other = yield* metrics({ predictions: predictionsOf(["neg", "pos"], turned, truth) })
      const found = values(outcome.outputs["metrics"]!)
      expect(values(other.outputs["metrics"]!)).toEqual(found)
      expect(found).toMatchObject({
        "model accuracy": 0.75,
        "model recall pos": 2 / 3,
        "model precision neg": 0.5,
        "model support pos": 3,
        "model confusion pos neg": 1,
        "model confusion neg neg": 1,
        "model confusion neg pos": 0
      })
      assert.approximately(
        found["model log_loss"]!,
        -(Math.log(0.9) + Math.log(0.7) + Math.log(0.2) + Math.log(0.6)) / 4,
        1e-6
      )
      expect(outcome.outputs["metrics"]!.facts).toMatchObject({
        rows: 4,
        how: "classifier",
        model: { accuracy: 0.75, f1_micro: 0.75 }
      })
    })
  )

  it.effect("are those asked for, in one order, and differ in content where predictions do", () =>
    Effect.gen(function* () {
      const predictions = predictionsOf(["pos", "neg"], scores, truth)
      const [two, turned] = yield* Effect.all([
        metrics({ predictions }, ["mcc", "accuracy"]),
        metrics({ predictions }, ["accuracy", "mcc"])
      ])
      expect(Object.keys(values(two.outputs["metrics"]!))).toEqual(["model accuracy", "model mcc"])
      expect(turned.outputs["metrics"]!.blob).toBe(two.outputs["metrics"]!.blob)
      expect(two.reported["metrics"]!.links).toEqual([predictions.blob])
      const wrongElsewhere = predictionsOf(["pos", "neg"], [scores[2]!, scores[1]!, scores[0]!, scores[3]!], truth)
      const same = yield* metrics({ predictions: wrongElsewhere }, ["mcc", "accuracy"])
      expect(values(same.outputs["metrics"]!)).toEqual(values(two.outputs["metrics"]!))
      expect(same.outputs["metrics"]!.content).not.toBe(two.outputs["metrics"]!.content)
    })
  )
})

describe("rivals", () => {
  const fit = rowsOf(
    ["a good film", "good fun", "really good", "a bad film", "bad, so bad"],
    ["yes", "yes", "yes", "no", "no"]
  )
  const rows = rowsOf(["good", "bad", "bad bad", "neither"], ["yes", "no", "yes", "maybe"])

  it.effect("are the majority class and a bag of words, joined by name", () =>
    Effect.gen(function* () {
      const outcome = yield* runStage(bench, evaluate, { stage: "rivals", inputs: { rows, fit } })
      const artifact = outcome.outputs["rivals"]!
      expect(artifact.facts).toMatchObject({ labels: ["maybe", "no", "yes"], predictors: ["majority", "bag_of_words"] })
      const scored = readScored(artifact, ["maybe", "no", "yes"])
      const classes = (name: string) => scored.get(name) as ScoredClasses
      const said = (name: string) => Array.from(classes(name).predicted, (of) => classes(name).names[of])
      expect(said("majority")).toEqual(["yes", "yes", "yes", "yes"])
      expect([...classes("majority").scores.slice(0, 3)].map((score) => score.toFixed(3))).toEqual([
        "0.000",
        "0.400",
        "0.600"
      ])
      expect(said("bag_of_words").slice(0, 3)).toEqual(["yes", "no", "no"])
      const measured = yield* metrics(
        { predictions: predictionsOf(["yes", "no"], [[1, 0]], ["yes"]), rivals: artifact },
        ["accuracy"]
      )
      expect(values(measured.outputs["metrics"]!)).toEqual({
        "model accuracy": 1,
        "majority accuracy": 0.5,
        "bag_of_words accuracy": 0.5
      })
    })
  )

  it.effect("are absent without rows to fit them on", () =>
    Effect.gen(function* () {
      const outcome = yield* runStage(bench, evaluate, { stage: "rivals", inputs: { rows } })
      expect(readTable(outcome.outputs["rivals"]!).numRows).toBe(0)
      const predictions = predictionsOf(["yes", "no"], [[1, 0]], ["yes"])
      const measured = yield* metrics({ predictions, rivals: outcome.outputs["rivals"]! }, ["accuracy"])
      expect(values(measured.outputs["metrics"]!)).toEqual({ "model accuracy": 1 })
    })
  )
})

it("predictions of another order of scores are another content, though names and numbers are the same", () => {
  const one = predictionsOf(["a", "b", "c"], [[0.6, 0.3, 0.1]], ["a"])
  const other = predictionsOf(["a", "c", "b"], [[0.6, 0.3, 0.1]], ["a"])
  expect(one.content).not.toBe(other.content)
})

it.effect(
  "each metric that is one number has an interval, narrower of more rows, and of none where none is asked for",
  () =>
    Effect.gen(function* () {
      const of = (rows: number) => {
        const truth = Array.from({ length: rows }, (_, row) => (row % 2 === 0 ? "neg" : "pos"))
        // Four rows in five are right.
        const scores = truth.map((name, row) => ((name === "neg") === (row % 5 !== 0) ? [0.8, 0.2] : [0.2, 0.8]))
        return predictionsOf(["neg", "pos"], scores, truth)
      }
      const interval = (predictions: InputArtifact, params: Record<string, unknown> = {}) =>
        Effect.map(
          runStage(bench, evaluate, { stage: "metrics", inputs: { predictions }, with: params, seed: 4 }),
          (outcome) => {
            const table = readTable(outcome.outputs["metrics"]!)
            const at = strings(table, "metric").indexOf("accuracy")
            return [table.getChild("low")!.get(at), table.getChild("high")!.get(at)] as ReadonlyArray<number | null>
          }
        )
      const [low, high] = yield* interval(of(400))
      // The normal approximation: 0.8 +- 1.96 sqrt(0.8 0.2 / 400).
      expect(low).toBeCloseTo(0.8 - 0.0392, 2)
      expect(high).toBeCloseTo(0.8 + 0.0392, 2)
      const [few, more] = yield* interval(of(40))
      expect(more! - few!).toBeGreaterThan(2 * (high! - low!))
      expect(yield* interval(of(40), { resamples: 0 })).toEqual([null, null])
    })
)

it.effect("slices tell metrics of parts of the rows, by value and by length, and the parts make up the whole", () =>
  Effect.gen(function* () {
    const count = 40
    const truth = Array.from({ length: count }, (_, row) => (row % 2 === 0 ? "neg" : "pos"))
    // Wrong for long rows alone: the last ten.
    const scores = truth.map((name, row) => ((name === "neg") === row < 30 ? [0.8, 0.2] : [0.2, 0.8]))
    const predictions = predictionsOf(["neg", "pos"], scores, truth)
    const folder = folderIn(bench, `sliced-${made++}`)
    const dictionary = labelDictionary(["neg", "pos"])
    const columns = {
      row_id: utf8(truth.map((_, row) => `row-${row}`)),
      genre: utf8(truth.map((_, row) => (row % 4 === 0 ? "drama" : "comedy"))),
      length: int32(Int32Array.from(truth, (_, row) => row + 1)),
      label: labels(
        Int32Array.from(truth, (name) => dictionary.names.indexOf(name)),
        dictionary
      )
    }
    const rows = keep(bench, folder, writeTable(folder, "rows.arrow", columns))
    const params = { metrics: ["accuracy"], slice_by: ["genre", "length"], resamples: 0 }
    const outcome = yield* runStage(bench, evaluate, { stage: "metrics", inputs: { predictions, rows }, with: params })
    const table = readTable(outcome.outputs["metrics"]!)
    const told = nullableStrings(table, "slice").map((slice, at) => [
      slice,
      table.getChild("rows")!.get(at),
      table.getChild("value")!.get(at)
    ])
    expect(told).toEqual([
      [null, 40, 0.75],
      ["genre = comedy", 30, expect.closeTo(0.7333, 4)],
      ["genre = drama", 10, 0.8],
      ["length 1 to 10", 10, 1],
      ["length 11 to 20", 10, 1],
      ["length 21 to 30", 10, 1],
      ["length 31 to 40", 10, 0]
    ])
    expect(outcome.outputs["metrics"]!.facts["model"]).toEqual({ accuracy: 0.75 })
  })
)
