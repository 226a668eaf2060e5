import { describe, it } from "vitest"
import { openForTest } from "../testing/engines.ts"
import { checkMinilmTraining, minilmVariants } from "../testing/minilm.ts"

describe("all-MiniLM-L6-v2 on wasm gives PyTorch's", () => {
  it.each(minilmVariants)("logits, gradients, ten steps and weights: %s", async (variant) =>
    checkMinilmTraining(await openForTest("wasm"), variant)
  )
})
