import { blocksOf, weightSpec } from "../../network/layers.ts"
import type { WeightSpec } from "../bert/weights.ts"
import type { T5Config } from "./config.ts"

export const WORDS = "shared.weight"

const attentionSpecs = ({ d_kv, d_model, num_heads }: T5Config, name: string): Array<WeightSpec> => [
  ...["q", "k", "v"].map((part) => weightSpec(`${name}.${part}`, num_heads * d_kv, d_model)),
  weightSpec(`${name}.o`, d_model, num_heads * d_kv)
]

function feedForwardSpecs({ d_ff, d_model, feed_forward_proj }: T5Config, layer: string): Array<WeightSpec> {
  const inputs = feed_forward_proj === "relu" ? ["wi"] : ["wi_0", "wi_1"]
  return [
    ...inputs.map((name) => weightSpec(`${layer}.DenseReluDense.${name}`, d_ff, d_model)),
    weightSpec(`${layer}.DenseReluDense.wo`, d_model, d_ff),
    weightSpec(`${layer}.layer_norm`, d_model)
  ]
}

function blockSpecs(config: T5Config, stack: "encoder" | "decoder", block: number): Array<WeightSpec> {
  const prefix = `${stack}.block.${block}.layer`
  const { d_model, num_heads, relative_attention_num_buckets } = config
  const table = weightSpec(
    `${prefix}.0.SelfAttention.relative_attention_bias`,
    relative_attention_num_buckets,
    num_heads
  )
  const cross =
    stack === "decoder"
      ? [...attentionSpecs(config, `${prefix}.1.EncDecAttention`), weightSpec(`${prefix}.1.layer_norm`, d_model)]
      : []
  return [
    ...attentionSpecs(config, `${prefix}.0.SelfAttention`),
    ...(block === 0 ? [table] : []),
    weightSpec(`${prefix}.0.layer_norm`, d_model),
    ...cross,
    ...feedForwardSpecs(config, `${prefix}.${stack === "decoder" ? 2 : 1}`)
  ]
}

export function t5Weights(config: T5Config): Array<WeightSpec> {
  const { d_model, tie_word_embeddings, vocab_size } = config
  return [
    { name: WORDS, shape: [vocab_size, d_model] },
    ...blocksOf(config.num_layers, (block) => blockSpecs(config, "encoder", block)),
    weightSpec("encoder.final_layer_norm", d_model),
    ...blocksOf(config.num_decoder_layers, (block) => blockSpecs(config, "decoder", block)),
    weightSpec("decoder.final_layer_norm", d_model),
    ...(tie_word_embeddings ? [] : [weightSpec("lm_head", vocab_size, d_model)])
  ]
}

/** What a file's tensor is called here; embeddings that share the table, and a tied head, are stored again by some versions. */
export const t5CanonicalName =
  ({ tie_word_embeddings }: T5Config) =>
  (fileName: string): string | null => {
    if (/^(encoder|decoder)\.embed_tokens\.weight$/.test(fileName)) return null
    // Some published files hold a table for cross-attention, which no model reads.
    if (/EncDecAttention\.relative_attention_bias/.test(fileName)) return null
    return fileName === "lm_head.weight" && tie_word_embeddings ? null : fileName
  }
