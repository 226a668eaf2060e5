import { make } from "@hone/core/Step"
import { FreezeParams } from "./params.ts"

export const freeze = make({
  kind: "freeze",
  summary: "Choose which tensors of a model train, and print the table of them.",
  params: FreezeParams,
  inputs: { model: { accepts: ["model"], description: "a pre-trained or tuned model" } },
  outputs: { model: { kind: "model", description: "the same weights with the choice written into the manifest" } },
  main: "model",
  types: ({ inputs, params }) => {
    const model = inputs["model"] ?? { kind: "model" }
    const { shape } = model
    const chosen = shape === undefined ? model : { ...model, shape: { ...shape, strategy: params.strategy } }
    return { outputs: { model: chosen }, faults: [] }
  },
  module: "steps/freeze/run",
  run: () => import("./run.ts")
})
