import { describe, it } from "vitest"
import { nativeEngines, openForTest } from "../testing/engines.ts"
import { checkMinilmEmbeddings, checkMinilmTraining, minilmVariants } from "../testing/minilm.ts"

describe.each(nativeEngines)("all-MiniLM-L6-v2 on %s gives PyTorch's", (name) => {
  it("sentence embeddings", async () => checkMinilmEmbeddings(await openForTest(name)))
  it.each(minilmVariants)("logits, gradients, ten steps and weights: %s", async (variant) =>
    checkMinilmTraining(await openForTest(name), variant)
  )
})

describe("all-MiniLM-L6-v2 on wasm gives PyTorch's", () => {
  it("sentence embeddings", async () => checkMinilmEmbeddings(await openForTest("wasm")))
  it("logits, gradients, ten steps and weights: head_only_mean", async () =>
    checkMinilmTraining(await openForTest("wasm"), "head_only_mean"))
})
