import { make } from "@hone/core/Step"
import { FreezeParams } from "./params.ts"

export const freeze = make({
  kind: "freeze",
  summary: "Choose which tensors of a model train, and print the table of them.",
  params: FreezeParams,
  inputs: { model: { accepts: ["model"], description: "a pre-trained or tuned model" } },
  outputs: { model: { kind: "model", description: "the same weights with the choice written into the manifest" } },
  main: "model",
  types: ({ inputs }) => ({ outputs: { model: inputs["model"] ?? { kind: "model" } }, faults: [] }),
  module: "steps/freeze/run",
  run: () => import("./run.ts")
})
