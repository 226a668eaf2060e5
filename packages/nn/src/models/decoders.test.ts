import { describe, expect, it } from "vitest"
import { checkDecoderFamily, decoderFamilies } from "../testing/decoderFamilies.ts"
import { fastestEngine, openForTest } from "../testing/engines.ts"
import { UnsupportedConfig } from "./bert/config.ts"
import { parseGpt2Config } from "./gpt2/config.ts"
import { parseLlamaConfig } from "./llama/config.ts"

describe(`decoders give transformers' numbers on ${fastestEngine}`, () => {
  it.each(decoderFamilies)("%s", async (family) => checkDecoderFamily(await openForTest(fastestEngine), family))
})

it("configs of decoders that would be computed wrongly are refused", () => {
  const base = {
    model_type: "llama",
    hidden_size: 64,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    num_hidden_layers: 2
  }
  const refused: ReadonlyArray<readonly [object, RegExp]> = [
    [{ ...base, model_type: "phi" }, /model_type/],
    [{ ...base, rope_scaling: { rope_type: "yarn", factor: 4 } }, /"rope_type" is "yarn"/],
    [{ ...base, rope_scaling: { type: "dynamic", factor: 4 } }, /"type" is "dynamic"/],
    [{ ...base, num_key_value_heads: 3 }, /num_key_value_heads/],
    [{ ...base, hidden_act: "relu" }, /hidden_act/],
    [{ ...base, pretraining_tp: 2 }, /pretraining_tp/],
    [{ ...base, quantization_config: { bits: 4 } }, /quantization_config/],
    [{ ...base, model_type: "mistral", layer_types: ["full_attention"] }, /layer_types/],
    [{ ...base, model_type: "gemma2", use_bidirectional_attention: true }, /use_bidirectional_attention/]
  ]
  for (const [json, message] of refused) expect(() => parseLlamaConfig(json)).toThrow(message)
  expect(() => parseGpt2Config({ model_type: "gpt2", activation_function: "swish" })).toThrow(UnsupportedConfig)
})

it("windows follow each family's rule where layers are not typed", () => {
  const base = {
    hidden_size: 64,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    num_hidden_layers: 4,
    sliding_window: 8
  }
  const windows = (more: object) => parseLlamaConfig({ ...base, ...more }).windows
  expect(windows({ model_type: "mistral" })).toEqual([8, 8, 8, 8])
  expect(windows({ model_type: "mistral", sliding_window: null })).toEqual([null, null, null, null])
  expect(windows({ model_type: "gemma2" })).toEqual([8, null, 8, null])
  expect(windows({ model_type: "qwen2", use_sliding_window: true, max_window_layers: 3 })).toEqual([
    null,
    null,
    null,
    8
  ])
  expect(windows({ model_type: "qwen2" })).toEqual([null, null, null, null])
})
