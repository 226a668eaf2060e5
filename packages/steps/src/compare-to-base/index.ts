import { make, type StepFault, type TypeContext } from "@hone/core/Step"
import { CompareParams } from "./params.ts"
import { changedType, compareInputs, compareOutputs } from "./ports.ts"

/** Ports that say something only together. */
const pairs = [
  {
    ports: ["base_model", "model"],
    why: "drift is told between two models",
    hints: { model: "connect the tuned model: model: tuned", base_model: "connect the base: base_model: base.model" }
  },
  {
    ports: ["retained_base", "retained_tuned"],
    why: "what was forgotten is told between two evaluations of the same rows",
    hints: {
      retained_base: "connect an `evaluate` of the base on the retained rows",
      retained_tuned: "connect an `evaluate` of the tuned model on the retained rows"
    }
  }
] as const

const pairFaults = (inputs: Readonly<Record<string, unknown>>): ReadonlyArray<StepFault> =>
  pairs.flatMap(({ hints, ports, why }) => {
    const [known, missing] = ports.toSorted((a, b) => Number(inputs[a] === undefined) - Number(inputs[b] === undefined))
    if (inputs[known!] === undefined || inputs[missing!] !== undefined) return []
    const hint = (hints as Readonly<Record<string, string>>)[missing!]!
    return [{ path: ["in", known!], message: `\`${known}\` is connected and \`${missing}\` is not: ${why}`, hint }]
  })

const verdictFaults = ({ inputs, params }: TypeContext<CompareParams>): ReadonlyArray<StepFault> =>
  params.verdict?.max_forgotten === undefined || inputs["retained_tuned"] !== undefined
    ? []
    : [
        {
          path: ["with", "verdict", "max_forgotten"],
          message: "no retained rows are connected, so nothing says what was forgotten",
          hint: "connect evaluations of base and tuned model: retained_base, retained_tuned"
        }
      ]

export const compareToBase = make({
  kind: "compare-to-base",
  summary: "What tuning gained over the base: deltas with intervals, an exact test, rows fixed and broken, a verdict.",
  params: CompareParams,
  inputs: compareInputs,
  outputs: compareOutputs,
  main: "comparison",
  types: (context) => ({
    outputs: { comparison: { kind: "comparison" }, changed: changedType, forgotten: changedType },
    faults: [...pairFaults(context.inputs), ...verdictFaults(context)]
  }),
  random: true,
  facts: Object.fromEntries(["base", "tuned", "seeds", "retained_base", "retained_tuned"].map((port) => [port, "all"])),
  module: "steps/compare-to-base/run",
  run: () => import("./run.ts")
})
