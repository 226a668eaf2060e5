import type { Facts, Measure, Resource } from "@hone/core/Step"
import type { Evaluation } from "./history.ts"
import { horizonEpochs, type TrainParams } from "./params.ts"

// Apart from the history itself, which writes Arrow: planning reads measures and must not load that.

const measureOf = (of: "loss" | "accuracy", words: Omit<Measure, "on" | "output" | "read">): Measure => ({
  ...words,
  on: "validation",
  output: "history",
  read: (facts: Facts) => {
    const evaluations = (facts["evaluations"] ?? []) as ReadonlyArray<Evaluation>
    const kept = evaluations.find(({ optimizer_step }) => optimizer_step === facts["best_step"])
    return {
      series: evaluations.flatMap((row) => (row[of] === null ? [] : [{ at: row.epoch, value: row[of] }])),
      kept: kept?.[of] ?? undefined
    }
  }
})

export const trainMeasures = {
  validation_loss: measureOf("loss", {
    description: "mean loss over the validation rows, without smoothing or weights",
    goal: "minimize",
    like: "log_loss"
  }),
  validation_accuracy: measureOf("accuracy", {
    description: "share of the validation rows whose class is predicted",
    goal: "maximize",
    like: "accuracy",
    fits: ({ columns }) => columns === undefined || columns["label"]?.type === "dictionary"
  })
}

/** Epochs: a training to one of them is the beginning of a longer one, as long as both have the same horizon. */
export const trainResource: Resource = {
  name: "epoch",
  param: "epochs",
  total: ({ epochs }: TrainParams) => epochs,
  until: (params: TrainParams, epochs) => {
    const horizon = horizonEpochs(params)
    return { epochs, ...(horizon === null ? {} : { schedule_epochs: horizon }) }
  },
  horizon: ({ epochs, lr_scheduler_type, schedule_epochs }: TrainParams) =>
    lr_scheduler_type === "constant" || schedule_epochs !== undefined
      ? undefined
      : `the learning rate falls to 0 over a trial's own ${epochs} epochs (${lr_scheduler_type}): trials for more epochs begin anew, unless schedule_epochs is set`
}
