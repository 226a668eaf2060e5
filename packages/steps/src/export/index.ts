import { make, type StepFault } from "@hone/core/Step"
import type { InputPort, OutputPort, PortType } from "@hone/core/Port"
import { ExportParams } from "./params.ts"

const inputs: Readonly<Record<string, InputPort>> = {
  model: { accepts: ["model"], description: "a model with a head, as `train` gives it" },
  tokenizer: { accepts: ["tokenizer"], description: "the tokenizer that the model was trained with" },
  train: {
    accepts: ["rows", "tokens"],
    description: "the rows that the model learnt from: the card states their digest, number, labels and length",
    optional: true
  },
  metrics: { accepts: ["metrics"], description: "metrics of the model and its rivals, for the card", optional: true },
  comparison: { accepts: ["comparison"], description: "the comparison with the base, for the card", optional: true }
}

const folder: OutputPort = { kind: "folder", description: "the files of a Hugging Face model folder" }

const headFaults = (model: PortType | undefined): ReadonlyArray<StepFault> =>
  model?.head === false
    ? [
        {
          path: ["in", "model"],
          message: "the model has no head: there is no classifier to export",
          hint: "connect the model of a train step: model: tuned"
        }
      ]
    : []

export const exportStep = make({
  kind: "export",
  summary: "Make a Hugging Face folder of a model: config, safetensors, tokenizer files, model card.",
  params: ExportParams,
  inputs,
  outputs: { folder },
  main: "folder",
  types: ({ inputs }) => ({ outputs: { folder: { kind: "folder" } }, faults: headFaults(inputs["model"]) }),
  facts: {
    tokenizer: ["model_max_length"],
    train: ["counts", "max_length", "rows"],
    metrics: "all",
    comparison: "all"
  },
  module: "steps/export/run",
  run: () => import("./run.ts")
})
