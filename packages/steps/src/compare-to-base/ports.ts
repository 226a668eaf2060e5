import type { InputPort, OutputPort, PortType } from "@hone/core/Port"

const metrics = (description: string): InputPort => ({ accepts: ["metrics"], description })
const model = (description: string): InputPort => ({ accepts: ["model"], description, optional: true })

export const compareInputs: Readonly<Record<string, InputPort>> = {
  base: metrics("metrics of the base on the rows"),
  tuned: metrics("metrics of the tuned model on the same rows"),
  seeds: {
    accepts: ["metrics"],
    description: "metrics of the tuned model from trainings that differ in their seed alone: told as mean and spread",
    optional: true,
    gather: true
  },
  retained_base: {
    accepts: ["metrics"],
    description: "metrics of the base on rows of another task that must not be forgotten, mostly `by: probe`",
    optional: true
  },
  retained_tuned: {
    accepts: ["metrics"],
    description: "metrics of the tuned model on the same retained rows, made in the same way",
    optional: true
  },
  history: { accepts: ["history"], description: "how training went: for the overfitting gap", optional: true },
  base_model: model("the model before training: for the drift of each part"),
  model: model("the model after training")
}

export const compareOutputs: Readonly<Record<string, OutputPort>> = {
  comparison: { kind: "comparison", description: "a row for each metric against each reference, with interval and p" },
  changed: { kind: "rows", description: "the rows that tuning fixed, and those that it broke, with their text" },
  forgotten: {
    kind: "rows",
    description: "the same of the retained rows; without rows unless `retained_base` and `retained_tuned` are connected"
  }
}

export const changedType: PortType = {
  kind: "rows",
  columns: {
    row_id: { type: "utf8", nullable: false },
    text: { type: "utf8", nullable: false },
    label: { type: "dictionary", nullable: false },
    base_predicted: { type: "utf8", nullable: false },
    tuned_predicted: { type: "utf8", nullable: false },
    base_score: { type: "float64", nullable: false },
    tuned_score: { type: "float64", nullable: false },
    change: { type: "utf8", nullable: false }
  }
}
