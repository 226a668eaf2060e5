import { semantic } from "@hone/core/Params"
import { Schema } from "effect"
import { scalarNames } from "../evaluate/scalarNames.ts"

const metric = Schema.Literals(scalarNames)

const verdict = Schema.Struct({
  metric: semantic(metric, { description: "The metric that the thresholds are about.", default: "accuracy" }),
  min_delta: semantic(Schema.Finite, {
    description: "Least gain over the base, in the metric's own unit; a fall counts as gain where less is better.",
    optional: true
  }),
  max_p_value: semantic(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })), {
    description: "Largest p of McNemar's exact test between base and tuned.",
    optional: true
  }),
  max_forgotten: semantic(Schema.Finite, {
    description:
      "Largest loss against the base on the retained rows: of accuracy as a share (0.02 is two points), of numbers the growth of the mean absolute error.",
    optional: true
  }),
  must_beat_bag_of_words: semantic(Schema.Boolean, {
    description: "Whether the tuned model must also be better than the bag of words.",
    default: false
  })
})
export type Verdict = typeof verdict.Type

export const CompareParams = Schema.Struct({
  metrics: semantic(Schema.Array(metric).check(Schema.isMinLength(1)), {
    description: "What is compared, as far as the task has it; every metric is computed from the predictions of both.",
    default: [
      "accuracy",
      "subset_accuracy",
      "f1_macro",
      "mcc",
      "log_loss",
      "ece",
      "mae",
      "rmse",
      "r2",
      "pearson",
      "spearman"
    ]
  }),
  top_k: semantic(Schema.Array(Schema.Int.check(Schema.isGreaterThan(1))), {
    description:
      "K for which top_K_accuracy is compared too: the share of rows whose class is among the k that score highest. Of rows with more than k classes. Integers from 2.",
    default: []
  }),
  confidence: semantic(Schema.Finite.check(Schema.isBetween({ minimum: 0.5, maximum: 0.9999 })), {
    description: "How often the interval of a difference holds the true one.",
    default: 0.95
  }),
  resamples: semantic(Schema.Int.check(Schema.isBetween({ minimum: 100, maximum: 1_000_000 })), {
    description: "Resamples of the paired bootstrap.",
    default: 10_000,
    source: "Efron and Tibshirani 1993 take 1 000 and more for percentile intervals"
  }),
  verdict: semantic(verdict, {
    description: "Thresholds that a run must meet: where it does not, the run ends with exit code 3.",
    optional: true
  }),
  seed: semantic(Schema.Int, { description: "Another seed than the pipeline's for the bootstrap.", optional: true })
})
export type CompareParams = typeof CompareParams.Type
