import { describe, it } from "vitest"
import { fastestEngine, nativeEngines, openForTest } from "../testing/engines.ts"
import { checkMinilmEmbeddings, checkMinilmTraining, minilmVariants } from "../testing/minilm.ts"

// Every variant on every engine is in the slow lane.
const trainings = [
  ...(fastestEngine === "wasm" ? [] : minilmVariants.map((variant) => [fastestEngine, variant] as const)),
  ...nativeEngines.filter((name) => name !== fastestEngine).map((name) => [name, "recipe"] as const),
  ["wasm", "head_only_mean"] as const
]

describe("all-MiniLM-L6-v2 gives PyTorch's", () => {
  it.each([...nativeEngines, "wasm"] as const)("sentence embeddings on %s", async (name) =>
    checkMinilmEmbeddings(await openForTest(name))
  )

  it.each(trainings)("logits, gradients, ten steps and weights on %s: %s", async (name, variant) =>
    checkMinilmTraining(await openForTest(name), variant)
  )
})
