import { readFileSync } from "node:fs"
import { assert, describe, expect, it } from "vitest"
import * as fc from "fast-check"
import { percentileInterval, resampled } from "./bootstrap.ts"
import { accuracy, classScores, confusionMatrix, f1, matthewsCorrelation } from "./classification.ts"
import { denseMatrix, sparseMatrix, type SparseRows } from "./designMatrix.ts"
import { fitLogisticRegression, predictProbabilities } from "./logisticRegression.ts"
import { mcnemarExact } from "./mcnemar.ts"
import { minimize } from "./minimize.ts"
import { calibrationError, logLoss } from "./probability.ts"
import { seededDraws } from "./random.ts"
import { fitTfidf } from "./tfidf.ts"

/** Made by golden/make.py with scikit-learn 1.9.1 and SciPy 1.17.1. */
const golden = JSON.parse(readFileSync(new URL("golden/golden.json", import.meta.url), "utf8"))

const close = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string) => {
  assert.strictEqual(actual.length, expected.length, what)
  for (let at = 0; at < expected.length; at++) {
    assert.approximately(actual[at]!, expected[at]!, tolerance * Math.max(1, Math.abs(expected[at]!)), `${what}[${at}]`)
  }
}

describe("metrics of predictions", () => {
  it("are scikit-learn's, classes that are never predicted included", () => {
    for (const reference of golden.classification) {
      const classes = reference.confusion.length
      const labels = Int32Array.from(reference.y as Array<number>)
      const scores = Float32Array.from(reference.scores.flat() as Array<number>)
      const rows = reference.scores as Array<Array<number>>
      const predicted = Int32Array.from(rows, (row) => row.indexOf(Math.max(...row)))
      const confusion = confusionMatrix(labels, predicted, classes)
      assert.deepStrictEqual([...confusion.counts], reference.confusion.flat())
      assert.approximately(accuracy(confusion), reference.accuracy, 1e-12)
      for (const average of ["macro", "micro", "weighted"] as const) {
        assert.approximately(f1(confusion, average), reference[`f1_${average}`], 1e-12, average)
      }
      assert.approximately(matthewsCorrelation(confusion), reference.mcc, 1e-12)
      for (const score of ["precision", "recall", "f1", "support"] as const) {
        close(
          classScores(confusion).map((of) => of[score]),
          reference[score],
          1e-12,
          score
        )
      }
      assert.approximately(logLoss(labels, scores, classes), reference.log_loss, 1e-6)
      const confidences = Float64Array.from(rows, (row) => Math.max(...row))
      const isRight = Uint8Array.from(labels, (label, row) => (predicted[row] === label ? 1 : 0))
      assert.approximately(calibrationError(confidences, isRight), reference.ece, 1e-7)
    }
  })

  it("count a resampled row as often as it stands", () => {
    const [labels, predicted] = [Int32Array.of(0, 1, 1), Int32Array.of(0, 0, 1)]
    assert.approximately(accuracy(confusionMatrix(labels, predicted, 2, Int32Array.of(0, 0, 0, 1))), 0.75, 1e-12)
  })

  it("stay finite where a sure prediction is wrong", () => {
    assert.approximately(logLoss(Int32Array.of(0), Float32Array.of(0, 1), 2), 23 * Math.LN2, 1e-9)
  })
})

it("McNemar's exact test is the two-sided binomial of SciPy", () => {
  for (const [broken, fixed, p] of golden.mcnemar)
    assert.approximately(mcnemarExact(broken, fixed) / p, 1, 1e-9, `${broken} ${fixed}`)
  assert.strictEqual(mcnemarExact(0, 0), 1)
})

describe("bootstrap intervals", () => {
  const difference = (base: ReadonlyArray<number>, tuned: ReadonlyArray<number>) => (rows: Int32Array) => {
    let sum = 0
    for (const row of rows) sum += tuned[row]! - base[row]!
    return sum / rows.length
  }

  it("are SciPy's paired percentile intervals, up to the draw", () => {
    const { base, high, low, tuned } = golden.bootstrap
    const options = { resamples: 10_000, seed: 5 }
    const [values] = resampled(base.length, [difference(base, tuned)], options)
    const interval = percentileInterval(values!, 0.95)
    // The standard error of such a quantile is near 0.0004, and its steps are 1/400.
    assert.approximately(interval.low, low, 0.0026)
    assert.approximately(interval.high, high, 0.0026)
    assert.deepStrictEqual(resampled(base.length, [difference(base, tuned)], options), [values!], "the same again")
  })

  it("are a point where both are the same", () => {
    const { base } = golden.bootstrap
    const [values] = resampled(9, [difference(base, base)], { resamples: 50, seed: 1 })
    assert.deepStrictEqual(percentileInterval(values!, 0.9), { low: 0, high: 0 })
  })

  it("pair what one resample gives to several statistics", () => {
    const mean = (rows: Int32Array) => rows.reduce((sum, row) => sum + row, 0) / rows.length
    const [once, twice] = resampled(20, [mean, (rows) => 2 * mean(rows)], { resamples: 30, seed: 2 })
    once!.forEach((value, at) => assert.approximately(twice![at]!, 2 * value, 1e-12))
  })
})

it("draws are uniform, within bounds, and differ for near seeds", () => {
  const counts = new Float64Array(7)
  const draw = seededDraws(3)
  for (let at = 0; at < 70_000; at++) counts[draw(7)]!++
  // Chi square with 6 degrees of freedom stays below 22.5 with probability 0.999.
  assert.isBelow(
    counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0),
    22.5
  )
  const first = (seed: number) =>
    Array.from(
      { length: 8 },
      (
        (draws) => () =>
          draws(1000)
      )(seededDraws(seed))
    )
  assert.notDeepEqual(first(1), first(2))
  assert.deepStrictEqual(first(1), first(1))
})

describe("minimize", () => {
  it("finds Rosenbrock's minimum, along a bent valley", () => {
    const { converged, point } = minimize(
      ([x, y], gradient) => {
        gradient[0] = -2 * (1 - x!) - 400 * x! * (y! - x! * x!)
        gradient[1] = 200 * (y! - x! * x!)
        return (1 - x!) ** 2 + 100 * (y! - x! * x!) ** 2
      },
      Float64Array.of(-1.2, 1),
      { tolerance: 1e-8, maxIterations: 200 }
    )
    assert.isTrue(converged)
    close(point, [1, 1], 1e-7, "minimum")
  })
})

describe("logistic regression", () => {
  it("finds scikit-learn's weights, for two classes and for more", () => {
    for (const { C, X, coef, intercept, probabilities, y } of golden.logistic) {
      const features = denseMatrix(Float64Array.from(X.flat()), X.length, X[0].length)
      const classes = Math.max(...y) + 1
      const model = fitLogisticRegression(features, Int32Array.from(y), classes, { C, tolerance: 1e-7 })
      const [outputs, columns] = [coef.length, X[0].length]
      const transposed = Array.from(
        { length: outputs * columns },
        (_, at) => coef[at % outputs][Math.floor(at / outputs)]
      )
      assert.isTrue(model.converged)
      close(model.weights, transposed, 1e-5, "weights")
      const offset = (values: ArrayLike<number>) =>
        outputs === 1 ? [values[0]!] : Array.from(values, (value) => value - values[0]!)
      close(offset(model.intercepts), offset(intercept), 1e-5, "intercepts, up to a shift that no probability shows")
      close(predictProbabilities(model, features).slice(0, 5 * classes), probabilities.flat(), 1e-6, "probabilities")
    }
  })

  it("is the same from sparse rows", () => {
    const { C, X, y } = golden.logistic[1]
    const dense = fitLogisticRegression(denseMatrix(Float64Array.from(X.flat()), X.length, 4), Int32Array.from(y), 3, {
      C
    })
    const sparse: SparseRows = {
      offsets: Int32Array.from({ length: X.length + 1 }, (_, row) => row * 4),
      columnIndices: Int32Array.from({ length: X.length * 4 }, (_, at) => at % 4),
      values: Float64Array.from(X.flat()),
      columns: 4
    }
    close(
      fitLogisticRegression(sparseMatrix(sparse), Int32Array.from(y), 3, { C }).weights,
      dense.weights,
      1e-4,
      "weights"
    )
  })

  it("gives no chance to a class without rows, and all of it to a single one", () => {
    const features = denseMatrix(Float64Array.of(0, 1, 2, 3), 4, 1)
    const two = fitLogisticRegression(features, Int32Array.of(0, 0, 2, 2), 3, { C: 1 })
    const probabilities = predictProbabilities(two, features)
    assert.deepStrictEqual(
      [1, 4, 7, 10].map((at) => probabilities[at]),
      [0, 0, 0, 0]
    )
    assert.isAbove(probabilities[11]!, 0.5)
    const one = fitLogisticRegression(features, Int32Array.of(1, 1, 1, 1), 3, { C: 1 })
    assert.deepStrictEqual([...predictProbabilities(one, features)], [0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0])
  })
})

describe("TF-IDF", () => {
  const denseRows = ({ columnIndices, columns, offsets, values }: SparseRows): Array<Array<number>> =>
    Array.from({ length: offsets.length - 1 }, (_, row) => {
      const dense = Array.from({ length: columns }, () => 0)
      for (let at = offsets[row]!; at < offsets[row + 1]!; at++) dense[columnIndices[at]!] = values[at]!
      return dense
    })

  it("has scikit-learn's terms and weights, on texts that it has not seen too", () => {
    for (const { matrix, options, unseen, vocabulary } of golden.tfidf.cases) {
      const model = fitTfidf(golden.tfidf.texts, {
        ngrams: options.ngram_range[1],
        minRows: options.min_df ?? 1,
        sublinear: options.sublinear_tf ?? false
      })
      assert.deepStrictEqual(model.terms, vocabulary)
      close(denseRows(model.transform(golden.tfidf.texts)).flat(), matrix.flat(), 1e-12, "matrix")
      close(denseRows(model.transform(["a good und völlig unseen film film"])).flat(), unseen.flat(), 1e-12, "unseen")
    }
  })

  it("gives each text length 1, or nothing where it has no known term", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme" }), { minLength: 1 }), (texts) => {
        const model = fitTfidf(texts, { ngrams: 2, minRows: 1, sublinear: true })
        for (const row of denseRows(model.transform(texts))) {
          const square = row.reduce((sum, value) => sum + value * value, 0)
          expect(square === 0 || Math.abs(square - 1) < 1e-9).toBe(true)
        }
      })
    )
  })
})
