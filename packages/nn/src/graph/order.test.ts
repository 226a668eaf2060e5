import { describe, expect, it } from "vitest"
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

// Whatever a derivative makes early is held until its gradient comes: at MiniLM's size that was 25 MB a block.
describe.each([...nativeEngines.filter((name) => name === "capi"), "wasm" as const])("on %s", (name) => {
  it("nothing of the way back runs before the loss is known", async () => {
    const session = await (await openForTest(name)).open(program)
    await session.write(initialWeights(config, program.parameters, 1))
    await session.run("init_optimizer", {})
    const { trace, values } = await session.traced!("train", feeds)
    const loss = trace.findIndex((node) => node.name.includes("SparseSoftmaxCrossEntropyWithLogits"))
    const early = trace.slice(0, loss).map((node) => node.name)
    expect(loss).toBeGreaterThan(0)
    expect(early.filter((node) => /encoder.*_gradient\//.test(node))).toEqual([])
    expect(trace.slice(loss).some((node) => node.name.includes("attention_gradient/"))).toBe(true)
    expect(values["loss"]![0]).toBeGreaterThan(0)
    await session.close()
  })
})
