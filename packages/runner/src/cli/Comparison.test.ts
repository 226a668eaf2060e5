import { stripVTControlCharacters } from "node:util"
import { expect, it } from "vitest"
import { renderComparison } from "./Comparison.ts"

const delta = (metric: string, base: number, tuned: number, low: number, high: number) => ({
  metric,
  base,
  tuned,
  delta: tuned - base,
  low,
  high
})

/** Facts as compare-to-base writes them, of a model that learned one thing and forgot another. */
const facts = {
  rows: 990,
  base_how: "probe",
  predictors: {
    base: { accuracy: 0.763, f1_macro: 0.762, log_loss: 0.475 },
    tuned: { accuracy: 0.831, f1_macro: 0.831, log_loss: 0.397 },
    majority: null,
    bag_of_words: { accuracy: 0.81, f1_macro: 0.81, log_loss: 0.433 }
  },
  confidence: 0.95,
  thresholds: { base: null, tuned: { pos: 0.4131 } },
  deltas: [delta("accuracy", 0.763, 0.831, 0.042, 0.095)],
  fixed: 128,
  broken: 60,
  p_value: 7.9e-7,
  overfitting: null,
  drift: null,
  seeds: {
    runs: 3,
    same_rows: true,
    metrics: [{ metric: "accuracy", mean: 0.829, sd: 0.004, worst: 0.825, best: 0.833 }]
  },
  forgotten: {
    rows: 200,
    base_how: "probe",
    tuned_how: "probe",
    predictors: {
      base: { accuracy: 0.9, f1_macro: 0.898, log_loss: 0.31 },
      tuned: { accuracy: 0.77, f1_macro: 0.768, log_loss: 0.52 }
    },
    deltas: [delta("accuracy", 0.9, 0.77, -0.185, -0.075)],
    fixed: 4,
    broken: 30,
    p_value: 6.2e-6,
    worst: [
      {
        row_id: "a",
        text: "Stocks fell\nafter the talks, and nobody in the room could say why they had risen before.",
        label: "business",
        base_predicted: "business",
        tuned_predicted: "sport",
        base_score: 0.89,
        tuned_score: 0.11
      }
    ]
  },
  verdict: { passed: true, reasons: [] }
}

const told = (given: object) => stripVTControlCharacters(renderComparison("verdict", given as Record<string, unknown>))

it("a comparison with thresholds, seeds and what was forgotten reads so", () => {
  expect(told(facts)).toBe(`verdict: on 990 test rows
                                               accuracy  F1 macro  log loss
the tuned model                                  83.1 %     0.831     0.397
the base, probed on its frozen features          76.3 %     0.762     0.475
bag of words (TF-IDF and logistic regression)    81.0 %     0.810     0.433
tuned against base: +6.8 points of accuracy (95 % interval +4.2 to +9.5); 128 rows fixed, 60 broken, p 7.9e-7 (McNemar, exact)
2.1 points above the bag of words on the same rows
tuned decides by thresholds chosen on other rows: pos from 0.413 on
over 3 seeds: accuracy 82.9 %, sd 0.4 %, worst 82.5 %, best 83.3 %; against base +6.6 points of accuracy on the mean

forgotten: on 200 retained rows, by a probe on each model's frozen features
                 accuracy  F1 macro  log loss
the tuned model    77.0 %     0.768     0.520
the base           90.0 %     0.898     0.310
tuned against base: -13.0 points of accuracy (95 % interval -18.5 to -7.5); 4 rows fixed, 30 broken, p 6.2e-6 (McNemar, exact)
tuning made the model forget: it is worse than the base here, beyond chance
  Stocks fell after the talks, and nobody in the room could say why t...
    is business: base 0.89, tuned 0.11 and says sport
verdict: passed`)
})

it("the mean over folds is held against no base of one of them", () => {
  expect(told({ ...facts, seeds: { ...facts.seeds, same_rows: false } })).toContain(
    "over 3 trainings, each on rows of its own: accuracy 82.9 %, sd 0.4 %, worst 82.5 %, best 83.3 %\n"
  )
})

it("what differs by chance alone is not called forgotten", () => {
  const kept = { ...facts.forgotten, deltas: [delta("accuracy", 0.9, 0.895, -0.02, 0.01)], worst: [] }
  expect(told({ ...facts, forgotten: kept })).toContain("no forgetting beyond chance on these rows\nverdict")
  expect(told({ ...facts, forgotten: null })).not.toContain("forg")
})

it("of numbers, a growing mean error is what was forgotten", () => {
  const scores = { mae: 0.4, r2: 0.5, pearson: 0.7, spearman: 0.69 }
  const numbers = {
    ...facts.forgotten,
    predictors: { base: scores, tuned: { ...scores, mae: 0.6 } },
    deltas: [delta("mae", 0.4, 0.6, 0.1, 0.3)],
    p_value: null,
    worst: []
  }
  const text = told({ ...facts, forgotten: numbers })
  expect(text).toContain("tuned against base: +0.200 mean absolute error (95 % interval +0.100 to +0.300)\n")
  expect(text).toContain("tuning made the model forget")
})
