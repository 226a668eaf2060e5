import type { TargetKind } from "../tensors/outputs.ts"

// Apart from how metrics are computed: planning reads the names and must load nothing else.

/** Metrics that are one number, of rows of one class each. */
const ofClasses = [
  "accuracy",
  "f1_macro",
  "f1_micro",
  "f1_weighted",
  "mcc",
  "auroc",
  "average_precision",
  "top_3_accuracy",
  "log_loss",
  "ece"
] as const
/** Of rows of several labels each. */
const ofSeveral = ["subset_accuracy", "f1_macro", "f1_micro", "auroc", "average_precision", "log_loss"] as const
/** Of rows with a number each. */
const ofValues = ["mae", "rmse", "r2", "pearson", "spearman"] as const

/** Metrics that are one number, in the order in which they are told. */
export const scalarNames = [...ofClasses, "subset_accuracy", ...ofValues] as const
export type ScalarName = (typeof scalarNames)[number]

const byKind: Readonly<Record<TargetKind, ReadonlyArray<ScalarName>>> = {
  classes: ofClasses,
  several: ofSeveral,
  value: ofValues
}

/** The metrics that rows of a kind have. */
export const scalarsOf = (kind: TargetKind): ReadonlyArray<ScalarName> => byKind[kind]

/** Whether more of it is better: not of losses and errors. */
export const isHigherBetter = (metric: string): boolean => !["log_loss", "ece", "mae", "rmse"].includes(metric)
