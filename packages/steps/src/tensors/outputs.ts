// Apart from what reads tables: planning knows these names and must load nothing else.

/** What rows are predicted as: one class each, several labels, a number. */
export type TargetKind = "classes" | "several" | "value"

/** The name of the only output of a regression, where classifiers have their labels. */
export const VALUE = "value"

/** By the type of the `label` column. */
export const targetKindOf = (type: string): TargetKind =>
  type === "float64" ? "value" : type === "list<utf8>" ? "several" : "classes"

/** By the task that a model was trained for. */
export const targetKindOfTask = (task: string | null): TargetKind =>
  task === "text-regression" ? "value" : task === "multi-label-classification" ? "several" : "classes"
