import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { denseMatrix } from "./designMatrix.ts"
import { exactRows, labelScores, severalF1 } from "./multilabel.ts"
import { areaUnderRoc, averagePrecision, rankingOf } from "./ranking.ts"
import { determination, meanAbsoluteError, pearson, rootMeanSquaredError, spearman } from "./regression.ts"
import { seededDraws } from "./random.ts"
import { fitRidge, predictRidge } from "./ridgeRegression.ts"

const golden = JSON.parse(readFileSync(new URL("golden/tasks.json", import.meta.url), "utf8")) as {
  readonly regression: Readonly<Record<"truth" | "predicted", ReadonlyArray<number>>> &
    Readonly<Record<"mae" | "rmse" | "r2" | "pearson" | "spearman", number>>
  readonly several: Readonly<
    Record<
      "truth" | "scores" | "precision" | "recall" | "f1" | "support" | "average_precision" | "auroc",
      ReadonlyArray<number>
    >
  > &
    Readonly<Record<"labels" | "f1_micro" | "f1_macro" | "subset_accuracy", number>>
  readonly ridge: Readonly<Record<"x" | "y" | "weights" | "predicted", ReadonlyArray<number>>> &
    Readonly<Record<"columns" | "alpha" | "intercept", number>>
}

const close = (actual: ArrayLike<number>, expected: ReadonlyArray<number>) =>
  expected.forEach((value, at) => expect(actual[at]).toBeCloseTo(value, 9))

describe("against scikit-learn and SciPy", () => {
  it("regression metrics, tied ranks too", () => {
    const { predicted, truth, ...numbers } = golden.regression
    const measured = { truth: Float64Array.from(truth), predicted: Float64Array.from(predicted) }
    expect(meanAbsoluteError(measured)()).toBeCloseTo(numbers.mae, 12)
    expect(rootMeanSquaredError(measured)()).toBeCloseTo(numbers.rmse, 12)
    expect(determination(measured)()).toBeCloseTo(numbers.r2, 12)
    expect(pearson(measured)()).toBeCloseTo(numbers.pearson, 12)
    expect(spearman(measured)()).toBeCloseTo(numbers.spearman, 12)
  })

  it("metrics of several labels a row, one of which no row has", () => {
    const { labels, scores, truth, ...numbers } = golden.several
    const predicted = Uint8Array.from(scores, (score) => (score >= 0.5 ? 1 : 0))
    const several = { labels, truth: Uint8Array.from(truth), predicted }
    expect(severalF1(several, "micro")).toBeCloseTo(numbers.f1_micro, 12)
    expect(severalF1(several, "macro")).toBeCloseTo(numbers.f1_macro, 12)
    const exact = exactRows(several)
    expect(exact.reduce((sum, right) => sum + right, 0) / exact.length).toBeCloseTo(numbers.subset_accuracy, 12)
    for (const name of ["precision", "recall", "f1", "support"] as const)
      close(
        labelScores(several).map((score) => score[name]),
        numbers[name]
      )
    const column = (values: ReadonlyArray<number>, label: number) =>
      Float64Array.from(values.filter((_, at) => at % labels === label))
    const ranked = (label: number) => rankingOf(Uint8Array.from(column(truth, label)), column(scores, label))
    numbers.auroc.forEach((value, label) => {
      expect(areaUnderRoc(ranked(label))).toBeCloseTo(value, 9)
      expect(averagePrecision(ranked(label))).toBeCloseTo(numbers.average_precision[label]!, 9)
    })
    expect(areaUnderRoc(ranked(3))).toBeNaN()
    expect(averagePrecision(ranked(3))).toBeNaN()
  })

  it("ridge regression: weights, intercept, predictions", () => {
    const { alpha, columns, intercept, predicted, weights, x, y } = golden.ridge
    const features = denseMatrix(Float32Array.from(x), y.length, columns)
    const model = fitRidge(features, Float64Array.from(y), alpha)
    expect(model.converged).toBe(true)
    weights.forEach((value, at) => expect(model.weights[at]).toBeCloseTo(value, 4))
    expect(model.intercept).toBeCloseTo(intercept, 4)
    predicted.forEach((value, row) => expect(predictRidge(model, features)[row]).toBeCloseTo(value, 3))
  })
})

it("a row that stands twice counts in rankings as two rows of its score", () => {
  const truth = Uint8Array.of(1, 0, 1, 0)
  const scores = Float64Array.of(0.9, 0.8, 0.3, 0.3)
  const rows = [0, 1, 1, 1, 2, 3]
  const repeated = rankingOf(
    Uint8Array.from(rows, (row) => truth[row]!),
    Float64Array.from(rows, (row) => scores[row]!)
  )
  const counts = Float64Array.of(1, 3, 1, 1)
  for (const measure of [areaUnderRoc, averagePrecision])
    expect(measure(rankingOf(truth, scores), counts)).toBeCloseTo(measure(repeated), 12)
})

it("a model that predicts NaN has NaN for its metrics", () => {
  const broken = { truth: Float64Array.of(1, 2, 3), predicted: Float64Array.of(NaN, NaN, 2) }
  for (const measure of [meanAbsoluteError, rootMeanSquaredError, determination, pearson, spearman])
    expect(measure(broken)()).toBeNaN()
})

it("metrics of chosen rows count repeated rows as often as they stand", () => {
  const { predicted, truth } = golden.regression
  const measured = { truth: Float64Array.from(truth), predicted: Float64Array.from(predicted) }
  const draw = seededDraws(11)
  for (const measure of [meanAbsoluteError, rootMeanSquaredError, determination, pearson, spearman]) {
    const prepared = measure(measured)
    for (let resample = 0; resample < 20; resample++) {
      const rows = Int32Array.from(truth, () => draw(truth.length))
      const take = (values: Float64Array) => Float64Array.from(rows, (row) => values[row]!)
      const taken = { truth: take(measured.truth), predicted: take(measured.predicted) }
      expect(prepared(rows)).toBeCloseTo(measure(taken)(), 12)
    }
    expect(prepared()).toBe(measure(measured)())
  }
  const several = { labels: 1, truth: Uint8Array.of(1, 0, 1), predicted: Uint8Array.of(1, 1, 0) }
  expect(severalF1(several, "micro", Int32Array.of(0, 0))).toBe(1)
  expect(severalF1(several, "micro", Int32Array.of(0, 1))).toBeCloseTo(2 / 3)
})
