import { describe, expect, it } from "vitest"
import { parseBertConfig, UnsupportedConfig } from "./config.ts"
import { bertWeights, classifierModelWeights, initialWeights, matchWeights } from "./weights.ts"

const json = {
  model_type: "bert",
  vocab_size: 30,
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 16,
  max_position_embeddings: 12
}
const config = parseBertConfig(json)

describe("config.json of the BERT family", () => {
  it("fills what is left out as transformers does", () => {
    expect(config).toMatchObject({
      layer_norm_eps: 1e-12,
      type_vocab_size: 2,
      hidden_dropout_prob: 0.1,
      classifier_dropout: null,
      initializer_range: 0.02
    })
    expect(parseBertConfig({ model_type: "bert" })).toMatchObject({
      vocab_size: 30522,
      hidden_size: 768,
      num_hidden_layers: 12,
      max_position_embeddings: 512
    })
  })

  it.each([
    ["model_type", "roberta"],
    ["hidden_act", "gelu_new"],
    ["hidden_act", "relu"],
    ["position_embedding_type", "relative_key"],
    ["is_decoder", true],
    ["add_cross_attention", true],
    ["pruned_heads", { 0: [1] }],
    ["quantization_config", { bits: 8 }],
    ["num_attention_heads", 3],
    ["hidden_size", 8.5],
    ["hidden_size", "8"],
    ["vocab_size", -1],
    ["num_hidden_layers", 2 ** 40],
    ["layer_norm_eps", "1e-12"],
    ["layer_norm_eps", null, 1],
    ["hidden_dropout_prob", 1]
  ])("refuses %s: %j, naming it", (key, value, accepted?: number) => {
    if (accepted !== undefined) return expect(parseBertConfig({ ...json, [key]: value }).layer_norm_eps).toBe(1e-12)
    expect(() => parseBertConfig({ ...json, [key]: value })).toThrow(UnsupportedConfig)
    expect(() => parseBertConfig({ ...json, [key]: value })).toThrow(`"${key}"`)
  })

  it.each([null, [], "bert", 3])("refuses %j", (value) => {
    expect(() => parseBertConfig(value)).toThrow(UnsupportedConfig)
  })
})

describe("weights by name", () => {
  const specs = bertWeights(config)

  it("are those of a Hugging Face BertModel", () => {
    expect(specs).toHaveLength(5 + 2 * 16 + 2)
    const bertBase = bertWeights(parseBertConfig({ model_type: "bert" }))
    expect(bertBase.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)).toBe(109_482_240)
    expect(classifierModelWeights(config, { pooling: "mean", labels: 3 }).map(({ name }) => name)).not.toContain(
      "pooler.dense.weight"
    )
  })

  it("are found under a task model's prefix and under the old names of norms; what lacks or is left over is listed", () => {
    const file = specs
      .filter(({ name }) => name !== "pooler.dense.bias")
      .map(({ name, shape }) => ({
        name: `bert.${name}`.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
        shape
      }))
    const extra = { name: "cls.predictions.bias", shape: [30] }
    const buffer = { name: "bert.embeddings.position_ids", shape: [1, 12] }
    const match = matchWeights(specs, [...file, extra, buffer])
    expect(match).toMatchObject({ missing: ["pooler.dense.bias"], leftOver: ["cls.predictions.bias"], wrongShape: [] })
    expect(match.found.get("embeddings.LayerNorm.weight")).toBe("bert.embeddings.LayerNorm.gamma")
  })

  it("of another shape are listed with both shapes", () => {
    const file = specs.map((spec) => (spec.name === "pooler.dense.weight" ? { ...spec, shape: [8, 9] } : spec))
    expect(matchWeights(specs, file).wrongShape).toEqual([
      { name: "pooler.dense.weight", expected: [8, 8], actual: [8, 9] }
    ])
  })

  it("start as transformers starts them, the same for a seed and others for another", () => {
    const first = initialWeights(config, specs, 1)
    expect(first.get("embeddings.LayerNorm.weight")!.every((value) => value === 1)).toBe(true)
    expect(first.get("pooler.dense.bias")!.every((value) => value === 0)).toBe(true)
    const words = first.get("embeddings.word_embeddings.weight")!
    expect(Math.sqrt(words.reduce((sum, value) => sum + value * value, 0) / words.length)).toBeCloseTo(0.02, 2)
    expect(initialWeights(config, specs, 1)).toEqual(first)
    expect(initialWeights(config, specs, 2).get("pooler.dense.weight")).not.toEqual(first.get("pooler.dense.weight"))
  })
})
