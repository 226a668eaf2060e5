import type { JsonObject } from "@hone/core/Json"
import { makeStaged } from "@hone/core/Step"
import type { SourceHead, StepFault } from "@hone/core/Step"
import { BaseParams, presets } from "./params.ts"

const isPreset = (name: string): name is keyof typeof presets => Object.hasOwn(presets, name)

const specOf = (model: string): string => (isPreset(model) ? presets[model] : model)

/** What keeps a folder from being used, as far as its config.json tells. */
const headFaults = (head: SourceHead | undefined): ReadonlyArray<StepFault> => {
  const problem = head?.facts?.["problem"]
  if (typeof problem !== "string") return []
  const hint = head?.facts?.["hint"]
  return [{ path: ["with", "model"], message: problem, hint: typeof hint === "string" ? hint : "choose another model" }]
}

const isStrings = (value: unknown): value is ReadonlyArray<string> =>
  Array.isArray(value) && value.every((item) => typeof item === "string")

export const base = makeStaged({
  kind: "base",
  summary: "Take a pre-trained model and its tokenizer.",
  params: BaseParams,
  inputs: {},
  outputs: {
    model: { kind: "model", description: "weights, config, label names" },
    tokenizer: { kind: "tokenizer", description: "tokenizer.json and what lies beside it" }
  },
  main: "model",
  sources: ({ model }) => ({
    model: { spec: specOf(model), format: "huggingface-folder", param: "model", names: Object.keys(presets) }
  }),
  peek: () => import("./peek.ts"),
  types: ({ heads }) => {
    const facts = heads["model"]?.facts ?? {}
    const family = facts["family"]
    const { config, labels, pooling } = facts
    return {
      outputs: {
        model: {
          kind: "model",
          head: facts["head"] === true,
          ...(typeof family === "string" ? { family } : {}),
          ...(isStrings(labels) ? { labels } : {}),
          ...(config === undefined
            ? {}
            : { shape: { config: config as JsonObject, pooling: (pooling ?? null) as string | null } })
        },
        tokenizer: { kind: "tokenizer" }
      },
      faults: headFaults(heads["model"])
    }
  },
  stages: [
    {
      name: "base",
      identity: "base",
      params: () => ({}),
      outputs: {
        model: { kind: "model", description: "weights, config, label names" },
        tokenizer: { kind: "tokenizer", description: "tokenizer.json and what lies beside it" }
      },
      module: "steps/base/run",
      run: () => import("./run.ts")
    }
  ]
})
