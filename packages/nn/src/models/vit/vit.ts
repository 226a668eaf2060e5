import type { Tensor } from "../../graph/Graph.ts"
import { blockOf, blocksOf, dense, denseSpecs, dropped, layerNormOf, normSpecs } from "../../network/layers.ts"
import type { Network, NetworkContext } from "../../network/Network.ts"
import { add } from "../../ops/add.ts"
import { gelu } from "../../ops/gelu.ts"
import { groupedAttention } from "../../ops/groupedAttention.ts"
import { patchEmbedding } from "../../ops/patchEmbedding.ts"
import { placedPatches } from "../../ops/placedPatches.ts"
import { clsToken } from "../../ops/pooling.ts"
import type { WeightSpec } from "../bert/weights.ts"
import type { VitConfig } from "./config.ts"

const PATCHES = "vit.embeddings.patch_embeddings.projection"
const TOKEN = "vit.embeddings.cls_token"
const POSITIONS = "vit.embeddings.position_embeddings"

/** Tokens of a picture: its patches, and the one that is read. */
const lengthOf = ({ image_size, patch_size }: VitConfig): number => (image_size / patch_size) ** 2 + 1

function blockSpecs({ hidden_size: C, intermediate_size: F }: VitConfig, block: number): Array<WeightSpec> {
  const prefix = `vit.encoder.layer.${block}`
  return [
    ...["query", "key", "value"].flatMap((name) => denseSpecs(`${prefix}.attention.attention.${name}`, C, C)),
    ...denseSpecs(`${prefix}.attention.output.dense`, C, C),
    ...denseSpecs(`${prefix}.intermediate.dense`, F, C),
    ...denseSpecs(`${prefix}.output.dense`, C, F),
    ...normSpecs(`${prefix}.layernorm_before`, C),
    ...normSpecs(`${prefix}.layernorm_after`, C)
  ]
}

/** Layers' names in version 5 of transformers, and in its files. */
const renamed: ReadonlyArray<readonly [RegExp, string]> = [
  [/^vit\.layers\./, "vit.encoder.layer."],
  [/\.attention\.q_proj\./, ".attention.attention.query."],
  [/\.attention\.k_proj\./, ".attention.attention.key."],
  [/\.attention\.v_proj\./, ".attention.attention.value."],
  [/\.attention\.o_proj\./, ".attention.output.dense."],
  [/\.mlp\.fc1\./, ".intermediate.dense."],
  [/\.mlp\.fc2\./, ".output.dense."]
]

/** What a file's tensor is called here; a pooler is not part of a classifier. */
function canonicalName(fileName: string): string | null {
  const name = /^(classifier|vit)\./.test(fileName) ? fileName : `vit.${fileName}`
  if (name.startsWith("vit.pooler.") || name.endsWith(".mask_token")) return null
  return renamed.reduce((result, [from, to]) => result.replace(from, to), name)
}

/** @param x float32 [B*T, C] @returns float32 [B*T, C] */
function block(c: NetworkContext, config: VitConfig, index: number, x: Tensor): Tensor {
  const { g } = c
  const { hidden_dropout_prob, hidden_size, layer_norm_eps: eps, num_attention_heads: heads } = config
  const prefix = `vit.encoder.layer.${index}`
  const site = 1 + 3 * index
  const length = lengthOf(config)
  return g.scope(prefix, () => {
    const normal = layerNormOf(c, `${prefix}.layernorm_before`, x, eps)
    const part = (name: string) => dense(c, `${prefix}.attention.attention.${name}`, normal)
    const scale = 1 / Math.sqrt(hidden_size / heads)
    const dropout = c.dropoutAt(config.attention_probs_dropout_prob, prefix, site)
    const sizes = { batch: "batch", queries: length, keys: length, heads, keyHeads: heads }
    const parts = { q: part("query"), k: part("key"), v: part("value") }
    const seen = groupedAttention(g, parts, { ...sizes, scale, dropout }).y
    const mixed = dense(c, `${prefix}.attention.output.dense`, seen)
    const middle = add(g, { a: dropped(c, hidden_dropout_prob, prefix, site + 1, mixed), b: x }).y
    const after = layerNormOf(c, `${prefix}.layernorm_after`, middle, eps)
    const wide = gelu(g, { x: dense(c, `${prefix}.intermediate.dense`, after) }).y
    const narrow = dropped(c, hidden_dropout_prob, prefix, site + 2, dense(c, `${prefix}.output.dense`, wide))
    return add(g, { a: narrow, b: middle }).y
  })
}

/**
 * ViTForImageClassification. Feeds `pixel_values` float32 [B, channels, size, size], normalised.
 *
 * Source: Dosovitskiy et al. (2021); transformers' `modeling_vit.py`. Golden: tiny-families/vit.
 */
export function vitForImages(config: VitConfig, labels: number): Network {
  const { hidden_size: C, image_size, num_channels, patch_size } = config
  const length = lengthOf(config)
  return {
    parameters: [
      { name: TOKEN, shape: [1, 1, C] },
      { name: POSITIONS, shape: [1, length, C] },
      { name: `${PATCHES}.weight`, shape: [C, num_channels, patch_size, patch_size] },
      { name: `${PATCHES}.bias`, shape: [C] },
      ...blocksOf(config.num_hidden_layers, (index) => blockSpecs(config, index)),
      ...normSpecs("vit.layernorm", C),
      ...denseSpecs("classifier", labels, C)
    ],
    canonicalName,
    initializer_range: config.initializer_range,
    forward: (c) => {
      const { g, weight } = c
      const pixels = g.feed("pixel_values", "float32", ["batch", num_channels, image_size, image_size])
      let x = g.scope("embeddings", () => {
        const patches = patchEmbedding(
          g,
          { weight: weight(`${PATCHES}.weight`), bias: weight(`${PATCHES}.bias`) },
          { pixels }
        )
        const parts = { x: patches.y, token: weight(TOKEN), positions: weight(POSITIONS) }
        return dropped(
          c,
          config.hidden_dropout_prob,
          "vit.embeddings",
          0,
          placedPatches(g, parts, { batch: "batch" }).y
        )
      })
      for (let index = 0; index < config.num_hidden_layers; index++)
        x = blockOf(c, x, (inner) => block(c, config, index, inner))
      return g.scope("head", () => {
        const last = layerNormOf(c, "vit.layernorm", x, config.layer_norm_eps)
        const first = clsToken(g, { x: last }, { batch: "batch", length }).y
        return { logits: dense(c, "classifier", first), labelShape: ["batch"] }
      })
    }
  }
}
