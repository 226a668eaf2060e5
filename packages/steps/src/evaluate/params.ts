import { operational, semantic } from "@hone/core/Params"
import { Schema } from "effect"

/** What can be computed from predictions. `per_class` is precision, recall and F1 of each class; `confusion` the matrix. */
export const metricNames = [
  "accuracy",
  "f1_macro",
  "f1_micro",
  "f1_weighted",
  "mcc",
  "log_loss",
  "ece",
  "per_class",
  "confusion"
] as const

export const EvaluateParams = Schema.Struct({
  metrics: semantic(Schema.Array(Schema.Literals(metricNames)).check(Schema.isMinLength(1)), {
    description:
      "What is computed from the predictions. ece is the expected calibration error over 15 bins. Changing the list runs no prediction again.",
    default: metricNames,
    source: "scikit-learn's definitions; Guo et al. 2017 for ece"
  }),
  pooling: semantic(Schema.Literals(["mean", "cls"]), {
    description:
      "What a probe reads of a base without a head: the mean of the last hidden states over real tokens, or that of the first token.",
    default: "mean",
    source: "Reimers and Gurevych 2019"
  }),
  batch_size: operational(Schema.Int.check(Schema.isGreaterThan(0)), {
    description: "Rows in a forward pass.",
    default: 32,
    source: "enough to fill the cores"
  })
})

export type EvaluateParams = typeof EvaluateParams.Type
