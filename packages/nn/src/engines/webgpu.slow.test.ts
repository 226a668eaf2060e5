import { describe, expect, it } from "vitest"
import { familyOperationCases } from "../testing/familyOperationCases.ts"
import { operationCases } from "../testing/operationCases.ts"
import { parseBertConfig } from "../models/bert/config.ts"
import { initialWeights } from "../models/bert/weights.ts"
import { checkClassifierFamily } from "../testing/classifierFamilies.ts"
import { checkDecoderFamily } from "../testing/decoderFamilies.ts"
import { checkPrimitives, primitivesAt } from "../testing/primitiveCases.ts"
import { checkAgainstReference } from "../testing/gradientCheck.ts"
import { largestDifference } from "../testing/golden.ts"
import { webgpuForTest } from "../testing/webgpu.ts"
import { classifierProgram, defaultAdamW } from "../train/classifier.ts"
import { openEngine } from "./openEngine.ts"

const webgpu = await webgpuForTest()

const config = {
  ...parseBertConfig({
    model_type: "bert",
    vocab_size: 40,
    hidden_size: 16,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 32,
    max_position_embeddings: 12
  }),
  initializer_range: 0.2
}
const program = classifierProgram({
  config,
  head: { pooling: "mean", labels: 3 },
  trainable: () => true,
  dropout: { hidden: 0.1, attention: 0.1 },
  optimizer: { ...defaultAdamW, weight_decay: 0.1 },
  max_grad_norm: 1,
  accumulation: true
})
const [B, T] = [4, 8]
const inputs = {
  input_ids: { data: Int32Array.from({ length: B * T }, (_, i) => (i * 7 + 3) % 40), shape: [B, T] },
  attention_mask: { data: Int32Array.from({ length: B * T }, (_, i) => Number(i % T < 5 + (i % 3))), shape: [B, T] },
  labels: Int32Array.of(0, 1, 2, -100)
}

/** Losses of five steps, one of them in two batches, the logits that they lead to, and the weights. */
async function train(engine: Awaited<ReturnType<typeof openEngine>>) {
  const session = await engine.open(program)
  await session.write(initialWeights(config, program.parameters, 1))
  await session.run("init_optimizer", {})
  const losses: Array<number> = []
  for (let n = 1; n <= 4; n++) {
    const rates = { learning_rate: 1e-2, optimizer_step: n }
    const out = await session.run("train", { ...inputs, ...rates, count: 3, seed: Int32Array.of(5, n) })
    losses.push(out["loss"]![0]!, out["grad_norm"]![0]!)
  }
  for (const micro of [5, 6]) {
    const out = await session.run("accumulate", { ...inputs, count: 6, seed: Int32Array.of(5, micro) })
    losses.push(out["loss"]![0]!)
  }
  await session.run("apply", { learning_rate: 1e-2, optimizer_step: 5 })
  const { logits } = await session.run("eval", inputs)
  const weights = await session.read(program.trainable)
  await session.close()
  return { losses, logits: logits as Float32Array, weights }
}

describe.runIf(webgpu !== undefined)("webgpu", () => {
  it("trains as wasm does, dropout included: losses, logits and weights", async () => {
    const [theirs, ours] = [await train(await openEngine({ engine: "wasm" })), await train(webgpu!)]
    expect(largestDifference(Float32Array.from(ours.losses), theirs.losses)).toBeLessThan(1e-4)
    expect(largestDifference(ours.logits, [...theirs.logits])).toBeLessThan(1e-3)
    for (const [name, values] of theirs.weights) {
      // The bias of keys has no gradient but rounding's, which AdamW makes whole steps of.
      if (name.endsWith("self.key.bias")) continue
      expect(largestDifference(ours.weights.get(name)!, [...values]), name).toBeLessThan(1e-3)
    }
  })

  // tfjs writes a shader for each kernel and rank, not for each size: in one process these share most of theirs.
  it.each(Object.entries({ ...operationCases, ...familyOperationCases }))(
    "%s and its derivative are those of the reference",
    async (_, check) => checkAgainstReference(webgpu!, check)
  )
  it.each([1, 2])("primitives at random shapes are those of the reference, draw %i", async (seed) =>
    checkPrimitives(webgpu!, primitivesAt(seed))
  )

  // A step of a family is some thousand shaders to start, a millisecond each on SwiftShader: its goldens' later steps are left out.
  it("a decoder with RoPE gives transformers' logits, loss and first gradients", async () =>
    checkDecoderFamily(webgpu!, "llama-rope3", 1))
  it("T5 gives transformers' logits, loss and first gradients", async () => checkClassifierFamily(webgpu!, "t5", 1))
})
