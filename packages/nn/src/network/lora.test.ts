import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { parseLlamaConfig } from "../models/llama/config.ts"
import { llama } from "../models/llama/llama.ts"
import { fastestEngine, openForTest } from "../testing/engines.ts"
import { checkLoraFamily, loraFamilies } from "../testing/loraFamilies.ts"
import { defaultAdamW } from "../train/classifier.ts"
import { openSafetensors } from "../weights/safetensors.ts"
import { adaptedLayers, initialAdapters, type LoraOptions, trainsInLora, withLora } from "./lora.ts"
import { initialParameters } from "./Network.ts"
import { parsePeftConfig, readPeftFolder, writePeftFolder } from "./peft.ts"
import { trainingProgram } from "./training.ts"

const network = llama(
  parseLlamaConfig({
    model_type: "llama",
    vocab_size: 20,
    hidden_size: 8,
    intermediate_size: 12,
    num_hidden_layers: 2,
    num_attention_heads: 2
  })
)

const options: LoraOptions = {
  r: 2,
  lora_alpha: 4,
  lora_dropout: 0,
  use_rslora: false,
  fan_in_fan_out: false,
  target_modules: ["q_proj", "down_proj"],
  modules_to_save: []
}

describe(`adapters give peft's numbers on ${fastestEngine}`, () => {
  it.each(loraFamilies)("%s", async (family) => checkLoraFamily(await openForTest(fastestEngine), family))
})

it("fresh adapters change nothing", async () => {
  const engine = await openForTest("wasm")
  const adapted = withLora(network, options)
  const weights = initialParameters(network, network.parameters, 1)
  const text = { data: Int32Array.of(3, 4, 5, 6), shape: [1, 4] }
  const feeds = { input_ids: text, attention_mask: { data: Int32Array.of(1, 1, 1, 1), shape: [1, 4] } }
  const logitsOf = async (which: typeof network, values: Map<string, Float32Array>) => {
    const trainable = which === network ? () => true : trainsInLora(options)
    const program = trainingProgram({ network: which, trainable, optimizer: defaultAdamW, max_grad_norm: 1 })
    const session = await engine.open(program)
    await session.write(values)
    const { logits } = await session.run("predict", feeds)
    await session.close()
    return logits
  }
  const plain = await logitsOf(network, weights)
  expect(await logitsOf(adapted, new Map([...weights, ...initialAdapters(network, options, 7)]))).toEqual(plain)
})

it("layers are named by their ends or by a pattern; what names none, or no dense layer, is refused", () => {
  const named = (target_modules: LoraOptions["target_modules"]) =>
    adaptedLayers(network, { ...options, target_modules }).map(({ layer }) => layer)
  expect(named(["q_proj"])).toEqual(["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"])
  expect(named("model\\.layers\\.1\\..*_proj")).toHaveLength(7)
  expect(() => named(["_proj"])).toThrow("names no layer")
  expect(() => named(["norm"])).toThrow("only matrices are adapted")
  const tables = withLora(network, { ...options, target_modules: ["embed_tokens"] })
  expect(() =>
    trainingProgram({ network: tables, trainable: trainsInLora(options), optimizer: defaultAdamW, max_grad_norm: 1 })
  ).toThrow("no dense layer")
})

describe("peft folders", () => {
  it("are written as they are read, and every misfit is named", async () => {
    const folder = await mkdtemp(join(tmpdir(), "hone-peft-"))
    try {
      const weights = initialAdapters(network, options, 5)
      await writePeftFolder(network, folder, {
        base_model_name_or_path: "some/base",
        task_type: "CAUSAL_LM",
        options,
        weights
      })
      expect(await readPeftFolder(network, folder)).toEqual({ options, weights })
      await using file = await openSafetensors(join(folder, "adapter_model.safetensors"))
      expect(file.tensors.has("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight")).toBe(true)
      const config = JSON.parse(await readFile(join(folder, "adapter_config.json"), "utf8")) as object
      const rewrite = (more: object) =>
        writeFile(join(folder, "adapter_config.json"), JSON.stringify({ ...config, ...more }))
      await rewrite({ target_modules: ["q_proj"] })
      await expect(readPeftFolder(network, folder)).rejects.toThrow("has no place in this network")
      await rewrite({ target_modules: ["q_proj", "k_proj", "down_proj"] })
      await expect(readPeftFolder(network, folder)).rejects.toThrow("k_proj.lora_A.weight is missing")
      await rewrite({ r: 3 })
      await expect(readPeftFolder(network, folder)).rejects.toThrow("must have [3, 8]")
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it("of another method are refused", () => {
    const base = { peft_type: "LORA", target_modules: ["q"] }
    expect(parsePeftConfig(base)).toMatchObject({ r: 8, lora_alpha: 8, use_rslora: false })
    expect(() => parsePeftConfig({ ...base, peft_type: "IA3" })).toThrow(/"LORA"/)
    expect(() => parsePeftConfig({ ...base, use_dora: true })).toThrow(/use_dora/)
    expect(() => parsePeftConfig({ ...base, rank_pattern: { q: 2 } })).toThrow(/rank_pattern/)
    expect(() => parsePeftConfig({ ...base, bias: "all" })).toThrow(/bias/)
    expect(() => parsePeftConfig({ ...base, target_modules: "all-linear" })).toThrow(/all-linear/)
  })
})
