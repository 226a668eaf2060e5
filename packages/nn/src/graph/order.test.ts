import { describe, expect, it } from "vitest"
import type { EngineName } from "../engines/Engine.ts"
import { parseBertConfig } from "../models/bert/config.ts"
import { initialWeights } from "../models/bert/weights.ts"
import { nativeEngines, openForTest } from "../testing/engines.ts"
import { classifierProgram, defaultAdamW } from "../train/classifier.ts"

const config = parseBertConfig({
  model_type: "bert",
  vocab_size: 40,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 32,
  max_position_embeddings: 12
})
const program = classifierProgram({
  config,
  head: { pooling: "mean", labels: 2 },
  trainable: () => true,
  dropout: { hidden: 0.1, attention: 0.1 },
  optimizer: defaultAdamW,
  max_grad_norm: 1
})
const [B, T] = [2, 8]
const feeds = {
  input_ids: { data: Int32Array.from({ length: B * T }, (_, i) => (i * 7) % 40), shape: [B, T] },
  attention_mask: { data: new Int32Array(B * T).fill(1), shape: [B, T] },
  labels: Int32Array.of(0, 1),
  count: B,
  learning_rate: 1e-3,
  optimizer_step: 1,
  seed: Int32Array.of(1, 1)
}

/** One training step. Where a node stands in the trace says when it began. */
async function traced(name: EngineName) {
  const session = await (await openForTest(name)).open(program)
  await session.write(initialWeights(config, program.parameters, 1))
  await session.run("init_optimizer", {})
  const result = await session.traced!("train", feeds)
  await session.close()
  const byTime = result.trace.toSorted((a, b) => a.start - b.start)
  return { ...result, trace: byTime, names: byTime.map((node) => node.name) }
}

describe.each([...nativeEngines.filter((name) => name === "capi"), "wasm" as const])("on %s", (name) => {
  // Whatever a derivative makes early is held until its gradient comes: at MiniLM's size that was 25 MB a block.
  it("nothing of the way back runs before the loss is known", async () => {
    const { trace, values } = await traced(name)
    const loss = trace.findIndex((node) => node.name.includes("SparseSoftmaxCrossEntropyWithLogits"))
    const early = trace.slice(0, loss).map((node) => node.name)
    expect(loss).toBeGreaterThan(0)
    expect(early.filter((node) => /encoder.*_gradient\//.test(node))).toEqual([])
    expect(trace.slice(loss).some((node) => node.name.includes("attention_gradient/"))).toBe(true)
    expect(values["loss"]![0]).toBeGreaterThan(0)
  })

  // Put off, they would hold every layer's input and gradient to the end: a tenth of BERT-base's memory.
  it("the gradients of a layer's weights come before the way back goes on", async () => {
    const { names } = await traced(name)
    const [upper, lower] = ["encoder.layer.1", "encoder.layer.0"].map((block) =>
      names.flatMap((node, at) =>
        node.includes(`${block}/`) && /_gradient\/(MatMul|BiasAddGrad|Sum)/.test(node) ? [at] : []
      )
    )
    expect(upper!.length).toBeGreaterThan(12)
    expect(Math.max(...upper!)).toBeLessThan(Math.min(...lower!))
  })

  it("parameters are updated one after the other", async () => {
    const { names } = await traced(name)
    const steps = names.filter((node) => /adamw\/(ResourceApplyAdam|Mul)/.test(node))
    const applied = steps.flatMap((node, at) => (node.includes("ResourceApplyAdam") ? [at] : []))
    // A clipped gradient and a decayed weight, at the most, between two.
    expect(applied.every((at, i) => at - (applied[i - 1] ?? -1) <= 3)).toBe(true)
    expect(applied.length).toBe(program.trainable.length)
  })
})
