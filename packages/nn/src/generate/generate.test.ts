import { describe, expect, it } from "vitest"
import { parseLlamaConfig } from "../models/llama/config.ts"
import { llama } from "../models/llama/llama.ts"
import { initialAdapters, mergeLora, withLora } from "../network/lora.ts"
import { initialParameters } from "../network/Network.ts"
import { decoderFamilies } from "../testing/decoderFamilies.ts"
import { fastestEngine, openForTest } from "../testing/engines.ts"
import { checkGreedy } from "../testing/generation.ts"
import { generationProgram } from "./causal.ts"
import { generate } from "./generate.ts"

describe(`greedy answers are transformers' on ${fastestEngine}`, () => {
  it.each([...decoderFamilies, "t5", "t5-gated"])("%s", async (family) =>
    checkGreedy(await openForTest(fastestEngine), family)
  )
})

const network = llama(
  parseLlamaConfig({
    model_type: "llama",
    vocab_size: 30,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    initializer_range: 0.4
  })
)
const weights = initialParameters(network, network.parameters, 4)
const prompts = [
  [3, 4, 5, 6, 7],
  [8, 9]
]

async function answers(
  which: typeof network,
  values: ReadonlyMap<string, Float32Array>,
  capacity: number,
  options = {}
) {
  const program = generationProgram(which, { batch: 2, capacity })
  const session = await (await openForTest("wasm")).open(program)
  await session.write(values)
  try {
    return await generate(session, program, prompts, { max_new_tokens: 8, pad_token_id: 0, ...options })
  } finally {
    await session.close()
  }
}

describe("generation", () => {
  it("does not depend on the size of its memory", async () => {
    expect(await answers(network, weights, 40)).toEqual(await answers(network, weights, 12))
  })

  it("ends a row at an end token and lets the others go on", async () => {
    const free = await answers(network, weights, 12)
    const [long, short] = free as [Array<number>, Array<number>]
    const end = short.find((token) => !long.includes(token))!
    expect(end).toBeDefined()
    const stopped = await answers(network, weights, 12, { eos_token_ids: [end] })
    expect(stopped).toEqual([long, short.slice(0, short.indexOf(end) + 1)])
  })

  it("with adapters writes what the merged weights write", async () => {
    const options = {
      r: 2,
      lora_alpha: 4,
      lora_dropout: 0.5,
      use_rslora: false,
      fan_in_fan_out: false,
      target_modules: ["v_proj", "up_proj"],
      modules_to_save: []
    }
    const adapters = initialAdapters(network, options, 1)
    for (const [name, values] of adapters) if (name.includes("lora_B")) values.fill(0.5)
    const all = new Map([...weights, ...adapters])
    const adapted = await answers(withLora(network, options), all, 12)
    expect(adapted).toEqual(await answers(network, mergeLora(network, options, all), 12))
    expect(adapted).not.toEqual(await answers(network, weights, 12))
  })

  it("refuses what does not fit its memory", async () => {
    await expect(answers(network, weights, 11)).rejects.toThrow("12 tokens a row are needed, and the memory holds 11")
  })
})
