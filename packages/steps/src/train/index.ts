import { makeStaged } from "@hone/core/Step"
import type { StepFault, TypeContext } from "@hone/core/Step"
import type { InputPort, PortType } from "@hone/core/Port"
import { featuresOf, featuresStage } from "../features/stage.ts"
import { onePass } from "../rows/work.ts"
import { engineParts } from "../tensors/parts.ts"
import { targetKindOf, VALUE } from "../tensors/outputs.ts"
import { cutOf, pays } from "./frozenPrefix.ts"
import { lossFault } from "./losses.ts"
import { trainMeasures, trainResource } from "./measures.ts"
import { TrainParams, trajectoryParams } from "./params.ts"

const tokens = (description: string): InputPort => ({
  accepts: ["tokens"],
  description,
  columns: {
    row_id: { type: ["utf8"], why: "messages name rows by it" },
    input_ids: { type: ["list<int32>"], why: "what the model reads" }
  }
})

const labelsOf = (port: PortType | undefined): ReadonlyArray<string> | undefined => port?.columns?.["label"]?.labels

/** Rows without a label, or with one of a type that nothing learns; texts that are to be masked by no tokenizer. */
const objectiveFaults = ({ inputs, params }: TypeContext<TrainParams>): ReadonlyArray<StepFault> => {
  if (params.objective === "mlm") {
    if (inputs["tokenizer"] !== undefined) return []
    const message = "objective: mlm needs to know which tokens are pieces of words, and which one masks"
    return [{ path: ["in"], message, hint: "connect the tokenizer: tokenizer: base.tokenizer" }]
  }
  return ["train", "validation"].flatMap((port) => {
    const columns = inputs[port]?.columns
    const type = columns?.["label"]?.type
    if (columns === undefined || (type !== undefined && ["dictionary", "list<utf8>", "float64"].includes(type)))
      return []
    const message =
      type === undefined ? `the rows at \`${port}\` have no label` : `a label of type ${type} cannot be learned`
    const hint = "ingest them with a task that has labels, or write objective: mlm to learn from the texts alone"
    return [{ path: ["in", port], message, hint }]
  })
}

/** Validation labels that no training row can have. */
const labelFaults = ({ inputs, params }: TypeContext<TrainParams>): ReadonlyArray<StepFault> => {
  if (params.objective === "mlm") return []
  const known = labelsOf(inputs["train"])
  const foreign = labelsOf(inputs["validation"])?.filter((label) => known?.includes(label) === false) ?? []
  if (known === undefined || foreign.length === 0) return []
  return [
    {
      path: ["in", "validation"],
      message: `validation rows have labels that the training rows lack: ${foreign.join(", ")}`,
      hint: `training knows ${known.join(", ")}; take both parts from one split, or map the labels when ingesting`
    }
  ]
}

/** The kind of targets that a port's label column makes, where it is known. */
const kindOf = (port: PortType | undefined) => {
  const type = port?.columns?.["label"]?.type
  return type === undefined ? undefined : targetKindOf(type)
}

/** A loss that the task of the rows does not have, or a weight of no label. */
const lossFaults = ({ inputs, params }: TypeContext<TrainParams>): ReadonlyArray<StepFault> => {
  const kind = params.objective === "mlm" ? undefined : kindOf(inputs["train"])
  const wrong = kind === undefined ? undefined : lossFault(params, kind)
  if (wrong !== undefined) {
    const name =
      ["label_smoothing", "focal_gamma", "sampling"].find((of) => wrong.message.startsWith(of)) ?? "class_weights"
    return [{ path: ["with", name], ...wrong }]
  }
  const labels = labelsOf(inputs["train"])
  const named = typeof params.class_weights === "object" ? Object.keys(params.class_weights) : []
  return named
    .filter((name) => labels?.includes(name) === false)
    .map((name) => ({
      path: ["with", "class_weights", name],
      message: `there is no label "${name}"`,
      hint: `the labels are ${labels!.join(", ")}`
    }))
}

/** The head that guesses masked tokens is new, and the encoder all there is to keep: nothing to hold back. */
const unfreezingFaults = ({ params }: TypeContext<TrainParams>): ReadonlyArray<StepFault> =>
  params.objective === "mlm" && params.unfreeze_every !== undefined
    ? [
        {
          path: ["with", "unfreeze_every"],
          message: "under objective: mlm no block waits for the head, which is not kept",
          hint: "leave unfreeze_every out here, and write it at the training that follows"
        }
      ]
    : []

/** A budget that nothing is chosen by. */
const budgetFaults = ({ params }: TypeContext<TrainParams>): ReadonlyArray<StepFault> => {
  if (params.batch_size === "auto" || params.memory_budget === undefined) return []
  const message = `memory_budget chooses nothing beside a batch_size of ${params.batch_size}`
  return [{ path: ["with", "memory_budget"], message, hint: "write batch_size: auto, or leave memory_budget out" }]
}

/** Next sentences of what has none, and documents by a column that there is not. */
const sentenceFaults = ({ inputs, params }: TypeContext<TrainParams>): ReadonlyArray<StepFault> => {
  const { document, next_sentence, objective } = params
  const fault = (path: StepFault["path"], message: string, hint: string) => [{ path, message, hint }]
  if (next_sentence && objective !== "mlm")
    return fault(
      ["with", "next_sentence"],
      "next_sentence is a part of continued pre-training",
      "write objective: mlm beside it, or leave it out"
    )
  if (!next_sentence)
    return document === undefined
      ? []
      : fault(
          ["with", "document"],
          "document says nothing without next_sentence",
          "write next_sentence: true, or leave it out"
        )
  return ["train", "validation"].flatMap((port) => {
    const columns = inputs[port]?.columns
    if (columns === undefined) return []
    if (columns["text_b"] !== undefined)
      return fault(
        ["in", port],
        `the rows at \`${port}\` are pairs already, and next_sentence makes pairs of texts`,
        "connect rows of one text each, or leave next_sentence out"
      )
    if (document === undefined || ["utf8", "dictionary"].includes(columns[document]?.type ?? "")) return []
    const what = columns[document] === undefined ? "no column" : "no column of texts"
    const hint = `they have ${Object.keys(columns).join(", ")}; ingest keeps further columns by \`keep\``
    return fault(["with", "document"], `the rows at \`${port}\` have ${what} "${document}"`, hint)
  })
}

/** A horizon before the end of training: the rest of it would change nothing. */
const scheduleFaults = ({ params }: TypeContext<TrainParams>): ReadonlyArray<StepFault> => {
  const { epochs, lr_scheduler_type, schedule_epochs = epochs } = params
  if (lr_scheduler_type === "constant" || schedule_epochs >= epochs) return []
  return [
    {
      path: ["with", "schedule_epochs"],
      message: `the learning rate falls to 0 after ${schedule_epochs} epochs, and training goes on to ${epochs}`,
      hint: `write a schedule_epochs of ${epochs} or more, or fewer epochs`
    }
  ]
}

const outputs = {
  model: {
    kind: "model",
    description: "the tuned model: the weights of the best evaluation, its head and label names"
  },
  history: { kind: "history", description: "loss by optimizer step, and each evaluation" }
} as const

export const train = makeStaged({
  kind: "train",
  summary: "Fine-tune a model on labelled rows; keep the weights of the best evaluation.",
  params: TrainParams,
  inputs: {
    model: { accepts: ["model"], description: "the model to tune, as `base` or `freeze` gives it" },
    train: tokens("the rows to learn from"),
    tokenizer: {
      accepts: ["tokenizer"],
      description: "for objective: mlm, the tokenizer that made the rows' tokens",
      optional: true
    },
    validation: { ...tokens("the rows that choose the best weights and stop training"), optional: true }
  },
  outputs,
  main: "model",
  measures: trainMeasures,
  resource: trainResource,
  types: (context) => {
    const family = context.inputs["model"]?.family
    const kind = kindOf(context.inputs["train"])
    const labels = kind === "value" ? [VALUE] : labelsOf(context.inputs["train"])
    const of = family === undefined ? {} : { family }
    const faults = [
      ...objectiveFaults(context),
      ...labelFaults(context),
      ...lossFaults(context),
      ...scheduleFaults(context),
      ...unfreezingFaults(context),
      ...budgetFaults(context),
      ...sentenceFaults(context)
    ]
    if (context.params.objective === "mlm")
      return { outputs: { model: { kind: "model", head: false, ...of }, history: { kind: "history" } }, faults }
    const model: PortType = {
      kind: "model",
      head: true,
      task: context.inputs["train"]?.task ?? (kind === "value" ? "text-regression" : "text-classification"),
      ...of,
      ...(labels === undefined ? {} : { labels })
    }
    return {
      outputs: { model, history: { kind: "history" } },
      faults
    }
  },
  stages: [
    featuresStage<TrainParams>({ name: "features_train", rows: "train", cut: cutOf, applies: pays }),
    featuresStage<TrainParams>({ name: "features_validation", rows: "validation", cut: cutOf, applies: pays }),
    {
      name: "fit",
      random: true,
      numerics: true,
      inputs: {
        model: { from: { port: "model" } },
        train: { from: { port: "train" }, facts: ["tokenizer"] },
        validation: { from: { port: "validation" }, facts: ["tokenizer"] },
        tokenizer: { from: { port: "tokenizer" } },
        features_train: featuresOf("features_train"),
        features_validation: featuresOf("features_validation")
      },
      outputs,
      trajectory: trajectoryParams,
      work: ({ epochs }, { train }) => ({ ...onePass(train, "tokens"), passes: epochs }),
      resources: () => ({ cpu: "all" }),
      forecast: () => import("./forecast.ts"),
      parts: engineParts,
      module: "steps/train/run-fit",
      run: () => import("./run-fit.ts")
    }
  ]
})
