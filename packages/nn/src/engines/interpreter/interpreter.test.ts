import { createRequire } from "node:module"
import { describe, expect, it } from "vitest"
import { parseBertConfig } from "../../models/bert/config.ts"
import { initialWeights } from "../../models/bert/weights.ts"
import { openForTest } from "../../testing/engines.ts"
import { matrix } from "../../testing/golden.ts"
import { classifierProgram, defaultAdamW } from "../../train/classifier.ts"

const config = parseBertConfig({
  model_type: "bert",
  vocab_size: 30,
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 16,
  max_position_embeddings: 12
})
const options = {
  config,
  head: { pooling: "pooler", labels: 2 },
  trainable: () => true,
  optimizer: { ...defaultAdamW, weight_decay: 0.1 },
  max_grad_norm: 1
} as const
const feeds = {
  input_ids: matrix([
    [1, 2, 3],
    [4, 5, 0]
  ]),
  attention_mask: matrix([
    [1, 1, 1],
    [1, 1, 0]
  ]),
  labels: Int32Array.of(1, 0)
}
const step = (n: number) => ({ ...feeds, count: 2, learning_rate: 1e-3, optimizer_step: n, seed: Int32Array.of(1, n) })

describe.each(["wasm", "cpu"] as const)("the interpreter on %s", (name) => {
  /** Tensors that the backend holds, by its own count. */
  const held = () =>
    (
      createRequire(import.meta.url)("@tensorflow/tfjs-core").findBackend(name) as { readonly numDataIds: () => number }
    ).numDataIds()

  it("leaves no tensor behind: not after a step, nor after a run that failed, nor after it is closed", async () => {
    const engine = await openForTest(name)
    const program = classifierProgram({ ...options, accumulation: true })
    const before = held()
    const session = await engine.open(program)
    await expect(session.run("eval", feeds)).rejects.toThrow("no variable")
    await session.write(initialWeights(config, program.parameters, 1))
    await session.run("init_optimizer", {})
    const once = async (n: number) => {
      await session.run("train", step(n))
      await session.run("accumulate", { ...feeds, count: 2, seed: Int32Array.of(2, n) })
      await session.run("apply", { learning_rate: 1e-3, optimizer_step: n })
      await session.run("eval", feeds)
    }
    await once(1)
    const after = held()
    for (let n = 2; n <= 4; n++) await once(n)
    expect(held()).toBe(after)
    await session.close()
    expect(held()).toBe(before)
  })

  it("keeps the variables of two sessions apart", async () => {
    const engine = await openForTest(name)
    const program = classifierProgram(options)
    const [one, two] = [await engine.open(program), await engine.open(program)]
    for (const session of [one, two]) {
      await session.write(initialWeights(config, program.parameters, 1))
      await session.run("init_optimizer", {})
    }
    await one.run("train", step(1))
    const bias = async (session: typeof one) => (await session.read(["classifier.bias"])).get("classifier.bias")
    expect(await bias(one)).not.toEqual(await bias(two))
    await one.close()
    expect(await bias(two)).toEqual(Float32Array.of(0, 0))
    await two.close()
  })
})
