import { describe, expect, it } from "vitest"
import type { EngineName } from "../engines/Engine.ts"
import { EngineUnavailable } from "../engines/Engine.ts"
import type { Precision } from "../graph/Builder.ts"
import { costsOf } from "../graph/costs.ts"
import { parseBertConfig } from "../models/bert/config.ts"
import { initialWeights } from "../models/bert/weights.ts"
import { nativeEngines, openForTest } from "../testing/engines.ts"
import { classifierProgram, defaultAdamW } from "../train/classifier.ts"

const config = {
  ...parseBertConfig({
    model_type: "bert",
    vocab_size: 60,
    hidden_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    intermediate_size: 64,
    max_position_embeddings: 16
  }),
  initializer_range: 0.2
}
const programIn = (precision: Precision, accumulation = false) =>
  classifierProgram({
    config,
    head: { pooling: "mean", labels: 3 },
    trainable: () => true,
    dropout: { hidden: 0.1, attention: 0.1 },
    optimizer: { ...defaultAdamW, weight_decay: 0.01 },
    max_grad_norm: 1,
    accumulation,
    precision
  })
const [B, T] = [8, 8]
const inputs = {
  input_ids: { data: Int32Array.from({ length: B * T }, (_, i) => (i * 7 + 3) % 60), shape: [B, T] },
  attention_mask: { data: Int32Array.from({ length: B * T }, (_, i) => Number(i % T < 5 + (i % 3))), shape: [B, T] },
  labels: Int32Array.from({ length: B }, (_, i) => i % 3)
}
const step = (n: number, learning_rate = 1e-2) => ({
  ...inputs,
  count: B,
  learning_rate,
  optimizer_step: n,
  seed: Int32Array.of(4, n)
})

async function open(engine: EngineName, precision: Precision) {
  const program = programIn(precision)
  const session = await (await openForTest(engine)).open(program)
  await session.write(initialWeights(config, program.parameters, 1))
  await session.run("init_optimizer", {})
  return { session, program }
}

async function losses(engine: EngineName, precision: Precision, steps: number): Promise<Array<number>> {
  const { session } = await open(engine, precision)
  const seen: Array<number> = []
  for (let n = 1; n <= steps; n++) seen.push((await session.run("train", step(n)))["loss"]![0]!)
  await session.close()
  return seen
}

describe.each(nativeEngines)("training in bfloat16 on %s", (engine) => {
  it("gives within 2 % the losses of float32 over ten steps, and other ones", async () => {
    const [exact, rounded] = [await losses(engine, "float32", 10), await losses(engine, "bfloat16", 10)]
    expect(exact.at(-1)!).toBeLessThan(exact[0]! / 2)
    rounded.forEach((loss, n) => expect(Math.abs(loss - exact[n]!), `step ${n + 1}`).toBeLessThan(0.02 * exact[0]!))
    expect(rounded).not.toEqual(exact)
  })

  it("keeps weights in float32: steps that bfloat16 cannot tell apart add up", async () => {
    const { program, session } = await open(engine, "bfloat16")
    const name = "encoder.layer.0.output.dense.weight"
    const before = initialWeights(config, program.parameters, 1).get(name)!
    // 0.2 in bfloat16 has neighbours 1e-3 away: hundreds of such steps.
    for (let n = 1; n <= 5; n++) await session.run("train", step(n, 1e-6))
    const after = (await session.read([name])).get(name)!
    const moved = after.filter((value, i) => value !== before[i] && Math.abs(value - before[i]!) < 1e-5)
    expect(moved.length).toBeGreaterThan(0.9 * before.length)
    await session.close()
  })

  it("evaluates in float32", async () => {
    const [exact, rounded] = [await open(engine, "float32"), await open(engine, "bfloat16")]
    const logits = async ({ session }: typeof exact) => (await session.run("eval", inputs))["logits"]
    expect(await logits(rounded)).toEqual(await logits(exact))
    await exact.session.close()
    await rounded.session.close()
  })
})

it("bfloat16 takes less memory, and the interpreter says that it has none", async () => {
  const sizes = { batch: B, length: T }
  const peak = (precision: Precision) => costsOf(programIn(precision), "train", sizes).peakBytes
  expect(peak("bfloat16")).toBeLessThan(peak("float32"))
  const wasm = await openForTest("wasm")
  await expect(wasm.open(programIn("bfloat16"))).rejects.toThrow(EngineUnavailable)
})
