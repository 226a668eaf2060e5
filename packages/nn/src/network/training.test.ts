import { describe, expect, it } from "vitest"
import type { EngineName, Session } from "../engines/Engine.ts"
import type { Feeds } from "../graph/Program.ts"
import { costsOf } from "../graph/costs.ts"
import { LONG_ROW, supervisedTokens } from "../models/decoder.ts"
import { parseGpt2Config } from "../models/gpt2/config.ts"
import { gpt2 } from "../models/gpt2/gpt2.ts"
import { parseLlamaConfig } from "../models/llama/config.ts"
import { llama } from "../models/llama/llama.ts"
import { parseT5Config } from "../models/t5/config.ts"
import { t5 } from "../models/t5/t5.ts"
import { fastestEngine, openForTest } from "../testing/engines.ts"
import { largestDifference, matrix } from "../testing/golden.ts"
import { defaultAdamW } from "../train/classifier.ts"
import { initialParameters, type Network, vectorsOf } from "./Network.ts"
import { trainingProgram, type TrainingOptions } from "./training.ts"

const decoder = { vocab_size: 40, n_positions: 16, n_embd: 16, n_layer: 2, n_head: 4, initializer_range: 0.2 }
const gpt2Config = parseGpt2Config({ model_type: "gpt2", ...decoder })
const gemma2Config = parseLlamaConfig({
  model_type: "gemma2",
  vocab_size: 40,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 8,
  sliding_window: 3,
  attn_logit_softcapping: 5,
  final_logit_softcapping: 10,
  initializer_range: 0.2
})
const networks: Readonly<Record<string, Network>> = {
  gpt2: gpt2(gpt2Config),
  gemma2: llama(gemma2Config),
  t5: t5(
    parseT5Config({
      model_type: "t5",
      vocab_size: 40,
      d_model: 16,
      d_kv: 4,
      d_ff: 24,
      num_layers: 2,
      num_heads: 4,
      relative_attention_num_buckets: 8,
      relative_attention_max_distance: 10
    })
  )
}

const texts = [
  [4, 9, 17, 3, 28, 31],
  [7, 7, 2, 30],
  [11, 38, 5, 6, 1]
]

/** Rows padded to `width`, whose labels are themselves. */
function batch(rows: ReadonlyArray<number>, width: number): Feeds {
  const padded = (fill: number, inside: (ids: ReadonlyArray<number>) => ReadonlyArray<number>) =>
    matrix(
      rows.map((row) => [...inside(texts[row]!), ...Array.from({ length: width - texts[row]!.length }, () => fill)])
    )
  return {
    input_ids: padded(0, (ids) => ids),
    attention_mask: padded(0, (ids) => ids.map(() => 1)),
    labels: padded(-100, (ids) => ids)
  }
}

const optimizer = { ...defaultAdamW, weight_decay: 0.1 }

async function start(network: Network, more: Partial<TrainingOptions> = {}): Promise<Session> {
  const program = trainingProgram({ network, trainable: () => true, optimizer, max_grad_norm: 1, ...more })
  const session = await (await openForTest("wasm")).open(program)
  await session.write(initialParameters(network, network.parameters, 3))
  await session.run("init_optimizer", {})
  return session
}

const seeds = { seed: Int32Array.of(1, 2) }

describe.each(Object.entries(networks))("training %s", (name, network) => {
  const count = texts.flat().length - (name === "t5" ? 0 : texts.length)
  // Dropout draws other masks for other shapes.
  const still = {
    ...network,
    forward: (c: Parameters<Network["forward"]>[0]) => network.forward({ ...c, dropoutAt: () => undefined })
  }

  it("micro-batches add up to the gradients of one batch", async () => {
    const session = await start(still, { accumulation: true, gradients: true })
    const whole = await session.run("gradients", { ...batch([0, 1, 2], 6), count })
    for (const rows of [[0], [1, 2]]) await session.run("accumulate", { ...batch(rows, 6), count })
    for (const [parameter, expected] of Object.entries(whole)) {
      const sums = (await session.read([`accumulated/${parameter}`])).get(`accumulated/${parameter}`)!
      const largest = (expected as Float32Array).reduce((max, value) => Math.max(max, Math.abs(value)), 0)
      // The bias of keys has none but rounding's: softmax ignores it.
      if (largest > 1e-7) expect(largestDifference(sums, [...expected]), parameter).toBeLessThan(1e-5 * largest)
    }
    await session.close()
  })

  it("padding changes nothing", async () => {
    const session = await start(network)
    const sum = async (width: number) =>
      ((await session.run("eval", batch([0, 1, 2], width)))["losses"] as Float32Array).reduce((a, b) => a + b, 0)
    const narrow = await sum(6)
    expect(Math.abs((await sum(11)) - narrow)).toBeLessThan(1e-4 * narrow)
    await session.close()
  })

  it("what does not train keeps its bytes, and what trains learns", async () => {
    const vectors = vectorsOf(network)
    const session = await start(network, { trainable: (parameter) => !vectors(parameter) })
    const before = initialParameters(network, network.parameters, 3)
    const lossAt = async (step: number) => {
      const feeds = { ...batch([0, 1, 2], 6), ...seeds, count, learning_rate: 2e-2, optimizer_step: step }
      return (await session.run("train", feeds))["loss"]![0]!
    }
    const first = await lossAt(1)
    for (let step = 2; step <= 30; step++) await lossAt(step)
    expect(await lossAt(31)).toBeLessThan(first / 2)
    const after = await session.read(before.keys())
    for (const [parameter, values] of before) {
      if (vectors(parameter)) expect(after.get(parameter), parameter).toEqual(values)
      else expect(largestDifference(after.get(parameter)!, [...values]), parameter).toBeGreaterThan(0)
    }
    await session.close()
  })
})

/** First gradients without dropout, which draws other masks for other shapes. */
async function gradients(network: Network, feeds: Feeds) {
  const still: Network = { ...network, forward: (c) => network.forward({ ...c, dropoutAt: () => undefined }) }
  const session = await start(still, { gradients: true })
  const result = await session.run("gradients", feeds)
  await session.close()
  return result
}

async function expectSameGradients(expected: Awaited<ReturnType<typeof gradients>>, network: Network, feeds: Feeds) {
  const actual = await gradients(network, feeds)
  for (const [parameter, values] of Object.entries(expected)) {
    const largest = (values as Float32Array).reduce((max, value) => Math.max(max, Math.abs(value)), 0)
    if (largest > 1e-7)
      expect(largestDifference(actual[parameter]!, [...values]), parameter).toBeLessThan(1e-5 * largest)
  }
}

describe("texts packed into one row", () => {
  const ids = texts.flat()
  const segments = texts.flatMap((text, index) => text.map(() => index + 1))
  const padded = (values: ReadonlyArray<number>, fill: number) => matrix([[...values, fill]])
  const packed = {
    input_ids: padded(ids, 0),
    segment_ids: padded(segments, 0),
    labels: padded(ids, 9) // what stands in padding is not learnt, whatever it is
  }
  const count = supervisedTokens([...ids, 9], 16, [...segments, 0])
  const pairs = {
    gpt2: [networks["gpt2"]!, gpt2(gpt2Config, "packed")],
    gemma2: [networks["gemma2"]!, llama(gemma2Config, "packed")]
  } as const

  it.each(Object.entries(pairs))("train %s as texts in rows of their own do", async (_, [apart, together]) => {
    expect(count).toBe(ids.length - texts.length)
    await expectSameGradients(await gradients(apart, { ...batch([0, 1, 2], 6), count }), together, { ...packed, count })
  })

  it.each([
    ["gpt2", networks["gpt2"]!, gpt2(gpt2Config, "packed", LONG_ROW)],
    ["gemma2", networks["gemma2"]!, llama(gemma2Config, "packed", LONG_ROW)]
  ] as const)("train %s so in blocks of attention too", async (_, apart, together) => {
    await expectSameGradients(await gradients(apart, { ...batch([0, 1, 2], 6), count }), together, { ...packed, count })
  })
})

describe("rows that may be long", () => {
  const count = texts.flat().length - texts.length
  const long = { gpt2: gpt2(gpt2Config, "rows", LONG_ROW), gemma2: llama(gemma2Config, "rows", LONG_ROW) }

  it.each(Object.entries(long))("train %s in blocks of attention as without", async (name, network) => {
    const feeds = { ...batch([0, 1, 2], 16), count }
    await expectSameGradients(await gradients(networks[name]!, feeds), network, feeds)
  })

  it("are refused where their length does not fall into blocks", async () => {
    const session = await start(long.gpt2)
    await expect(session.run("eval", batch([0], 12))).rejects.toThrow("must be a multiple of 8")
    await session.close()
  })
})

describe.each(Object.keys(networks))("blocks of %s that are computed again", (name) => {
  const network = networks[name]!
  const program = (recompute: boolean) =>
    trainingProgram({ network, trainable: () => true, optimizer, max_grad_norm: 1, gradients: true, recompute })

  it.each([...new Set<EngineName>([fastestEngine, "wasm"])])(
    "give the same gradients on %s, dropout included",
    async (engine) => {
      const gradients = async (recompute: boolean) => {
        const session = await (await openForTest(engine)).open(program(recompute))
        await session.write(initialParameters(network, network.parameters, 3))
        const result = await session.run("gradients", { ...batch([0, 1, 2], 6), ...seeds, count: 12 })
        await session.close()
        return result
      }
      const expected = await gradients(false)
      for (const [parameter, values] of Object.entries(await gradients(true))) {
        const numbers = [...(expected[parameter] as Float32Array)]
        expect(largestDifference(values, numbers), parameter).toBeLessThan(
          1e-6 * Math.max(...numbers.map(Math.abs), 1e-3)
        )
      }
    }
  )

  it("cost a second forward pass and save memory", () => {
    const sizes = { batch: 8, length: 16, target: 16 }
    const [once, again] = [costsOf(program(false), "gradients", sizes), costsOf(program(true), "gradients", sizes)]
    expect(again.peakBytes).toBeLessThan(0.85 * once.peakBytes)
    expect(again.flops).toBeGreaterThan(1.1 * once.flops)
    expect(again.flops).toBeLessThan(1.4 * once.flops)
  })
})

describe("dropout", () => {
  const network = networks["gpt2"]!
  const losses = async (engine: EngineName, steps: number) => {
    const program = trainingProgram({ network, trainable: () => true, optimizer, max_grad_norm: 1 })
    const session = await (await openForTest(engine)).open(program)
    await session.write(initialParameters(network, network.parameters, 3))
    await session.run("init_optimizer", {})
    const seen: Array<number> = []
    for (let step = 1; step <= steps; step++) {
      const feeds = {
        ...batch([0, 1, 2], 6),
        count: 12,
        learning_rate: 1e-3,
        optimizer_step: step,
        seed: Int32Array.of(5, step)
      }
      seen.push((await session.run("train", feeds))["loss"]![0]!)
    }
    const weights = await session.read(network.parameters.map((parameter) => parameter.name))
    await session.close()
    return { seen, weights }
  }

  it("draws the same masks on every engine", async () => {
    const [one, other] = [await losses(fastestEngine, 3), await losses("wasm", 3)]
    expect(largestDifference(one.seen, other.seen)).toBeLessThan(1e-4)
  })

  it("leaves a training the same to the last bit after 50 steps", async () => {
    const first = await losses(fastestEngine, 50)
    expect(await losses(fastestEngine, 50)).toEqual(first)
  })
})

it("a causal model's first labels are not counted, since nothing stands in front of them", () => {
  expect(supervisedTokens([5, 6, -100, 5, 7, 8], 3)).toBe(3)
})

it("the products of a decoder's forward pass cost what is counted by hand", () => {
  const program = trainingProgram({ network: networks["gemma2"]!, trainable: () => true, optimizer, max_grad_norm: 1 })
  const [B, T, C, F, V, layers] = [2, 5, 16, 24, 40, 2]
  const [queries, keys, heads, size] = [32, 16, 4, 8]
  const dense = C * queries + 2 * C * keys + queries * C + 3 * C * F
  const scores = 2 * heads * T * size
  expect(costsOf(program, "predict", { batch: B, length: T }).matmulFlops).toBe(
    2 * B * T * (layers * (dense + scores) + C * V)
  )
})
