import { semantic } from "@hone/core/Params"
import { Schema } from "effect"
import { scalarNames } from "./scalarNames.ts"

/** What can be computed from predictions. `per_class` is precision, recall and F1 of each class; `confusion` the matrix. */
export const metricNames = [...scalarNames, "per_class", "confusion"] as const

export const EvaluateParams = Schema.Struct({
  metrics: semantic(Schema.Array(Schema.Literals(metricNames)).check(Schema.isMinLength(1)), {
    description:
      "What is computed from the predictions, as far as the task has it: accuracy, F1s, mcc, auroc and average_precision (means over the classes), top_3_accuracy (more than three classes), log_loss, ece (expected calibration error over 15 bins); with several labels subset_accuracy; of numbers mae, rmse, r2, pearson, spearman. Changing the list runs no prediction again.",
    default: metricNames,
    source: "scikit-learn's definitions; Guo et al. 2017 for ece"
  }),
  top_k: semantic(Schema.Array(Schema.Int.check(Schema.isGreaterThan(1))), {
    description:
      "Further k for which top_K_accuracy is told, beside top_3_accuracy: the share of rows whose class is among the k that score highest. Told of rows with more than k classes. Integers from 2.",
    default: []
  }),
  by: semantic(Schema.Literals(["head", "probe"]), {
    description:
      "head: by the model's own head, or by a probe where it has none. probe: by a probe fitted on `fit` in any case, on whatever labels these rows have: evaluated so, base and tuned model show what tuning made the blocks forget of another task.",
    default: "head"
  }),
  slice_by: semantic(Schema.Array(Schema.NonEmptyString), {
    description:
      "Columns of the rows by which the metrics are told in parts as well: each value of a text or label column (the 20 most frequent), four parts of about equal size of a number; `length` is the number of tokens.",
    default: []
  }),
  resamples: semantic(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 })), {
    description: "Resamples of the rows for the interval of each metric that is one number; 0 gives none.",
    default: 1000,
    source: "Efron and Tibshirani 1993: 1 000 and more for percentile intervals"
  }),
  confidence: semantic(Schema.Finite.check(Schema.isBetween({ minimum: 0.5, maximum: 0.9999 })), {
    description: "How often such an interval holds the true value.",
    default: 0.95
  }),
  pooling: semantic(Schema.Literals(["mean", "cls"]), {
    description:
      "What a probe reads of a base without a head: the mean of the last hidden states over real tokens, or that of the first token.",
    default: "mean",
    source: "Reimers and Gurevych 2019"
  }),
  batch_size: semantic(Schema.Int.check(Schema.isGreaterThan(0)), {
    description: "Rows in a forward pass. Another number gives other last digits.",
    default: 32,
    source: "enough to fill the cores"
  })
})

export type EvaluateParams = typeof EvaluateParams.Type
