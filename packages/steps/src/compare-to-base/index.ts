import { make, type StepFault } from "@hone/core/Step"
import { CompareParams } from "./params.ts"
import { changedType, compareInputs, compareOutputs } from "./ports.ts"

const modelFaults = (inputs: Readonly<Record<string, unknown>>): ReadonlyArray<StepFault> => {
  const [known, missing] = inputs["model"] === undefined ? ["base_model", "model"] : ["model", "base_model"]
  if (inputs[known] === undefined || inputs[missing] !== undefined) return []
  return [
    {
      path: ["in", known],
      message: `\`${known}\` is connected and \`${missing}\` is not: drift is told between two models`,
      hint: missing === "model" ? "connect the tuned model: model: tuned" : "connect the base: base_model: base.model"
    }
  ]
}

export const compareToBase = make({
  kind: "compare-to-base",
  summary: "What tuning gained over the base: deltas with intervals, an exact test, rows fixed and broken, a verdict.",
  params: CompareParams,
  inputs: compareInputs,
  outputs: compareOutputs,
  main: "comparison",
  types: ({ inputs }) => ({
    outputs: { comparison: { kind: "comparison" }, changed: changedType },
    faults: modelFaults(inputs)
  }),
  random: true,
  module: "steps/compare-to-base/run",
  run: () => import("./run.ts")
})
