import { describe, it } from "vitest"
import { nativeEngines, openForTest } from "../testing/engines.ts"
import { checkMinilmTraining, minilmVariants } from "../testing/minilm.ts"

describe.each([...nativeEngines, "wasm"] as const)("all-MiniLM-L6-v2 on %s gives PyTorch's", (name) => {
  it.each(minilmVariants)("logits, gradients, ten steps and weights: %s", async (variant) =>
    checkMinilmTraining(await openForTest(name), variant)
  )
})
