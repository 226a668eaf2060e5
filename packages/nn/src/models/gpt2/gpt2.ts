import type { Tensor } from "../../graph/Graph.ts"
import { blockOf, blocksOf, denseConv1d, dropped, layerNormOf, normSpecs, weightSpec } from "../../network/layers.ts"
import type { NetworkContext } from "../../network/Network.ts"
import { add } from "../../ops/add.ts"
import { embedding } from "../../ops/embedding.ts"
import { gelu } from "../../ops/gelu.ts"
import { geluTanh } from "../../ops/geluTanh.ts"
import { project } from "../../ops/project.ts"
import { splitThirds } from "../../ops/splitThirds.ts"
import type { WeightSpec } from "../bert/weights.ts"
import {
  attend,
  type CausalNetwork,
  causalNetwork,
  type CausalParts,
  type DecoderRows,
  type TextLayout
} from "../decoder.ts"
import type { Gpt2Config } from "./config.ts"

const WORDS = "transformer.wte.weight"
const POSITIONS = "transformer.wpe.weight"

/** Conv1D keeps its inputs first. */
const conv1dSpecs = (name: string, inputs: number, outputs: number): Array<WeightSpec> => [
  { name: `${name}.weight`, shape: [inputs, outputs] },
  { name: `${name}.bias`, shape: [outputs] }
]

function blockSpecs({ n_embd: C, n_inner: F }: Gpt2Config, block: number): Array<WeightSpec> {
  const prefix = `transformer.h.${block}`
  return [
    ...normSpecs(`${prefix}.ln_1`, C),
    ...conv1dSpecs(`${prefix}.attn.c_attn`, C, 3 * C),
    ...conv1dSpecs(`${prefix}.attn.c_proj`, C, C),
    ...normSpecs(`${prefix}.ln_2`, C),
    ...conv1dSpecs(`${prefix}.mlp.c_fc`, C, F),
    ...conv1dSpecs(`${prefix}.mlp.c_proj`, F, C)
  ]
}

/** What a file's tensor is called here: the published GPT-2 has no prefix; masks are computed here. */
function canonicalNameOf({ tie_word_embeddings }: Gpt2Config): (fileName: string) => string | null {
  return (fileName) => {
    if (/\.attn\.(masked_)?bias$/.test(fileName)) return null
    if (fileName === "lm_head.weight") return tie_word_embeddings ? null : fileName
    return /^(wte|wpe|h|ln_f)\./.test(fileName) ? `transformer.${fileName}` : fileName
  }
}

/** @param x float32 [B*T, C] @returns float32 [B*T, C] */
function block(c: NetworkContext, config: Gpt2Config, rows: DecoderRows, layer: number, x: Tensor): Tensor {
  const { g } = c
  const { layer_norm_epsilon: eps, n_embd, n_head: heads, resid_pdrop } = config
  const prefix = `transformer.h.${layer}`
  const site = 1 + 3 * layer
  const width = config.scale_attn_weights ? 1 / Math.sqrt(n_embd / heads) : 1
  const scale = config.scale_attn_by_inverse_layer_idx ? width / (layer + 1) : width
  return g.scope(prefix, () => {
    const parts = splitThirds(g, {
      x: denseConv1d(c, `${prefix}.attn.c_attn`, layerNormOf(c, `${prefix}.ln_1`, x, eps))
    })
    const dropout = c.dropoutAt(config.attn_pdrop, prefix, site)
    const seen = attend(c, rows, layer, parts, { heads, keyHeads: heads, scale, dropout, window: null })
    const mixed = dropped(c, resid_pdrop, prefix, site + 1, denseConv1d(c, `${prefix}.attn.c_proj`, seen))
    const middle = add(g, { a: mixed, b: x }).y
    const wide = denseConv1d(c, `${prefix}.mlp.c_fc`, layerNormOf(c, `${prefix}.ln_2`, middle, eps))
    const bent = (config.activation_function === "gelu" ? gelu : geluTanh)(g, { x: wide }).y
    const narrow = dropped(c, resid_pdrop, prefix, site + 2, denseConv1d(c, `${prefix}.mlp.c_proj`, bent))
    return add(g, { a: narrow, b: middle }).y
  })
}

function hidden(c: NetworkContext, config: Gpt2Config, rows: DecoderRows, inputIds: Tensor): Tensor {
  const { g, weight } = c
  let x = g.scope("embeddings", () => {
    const words = embedding(g, { table: weight(WORDS) }, { indices: inputIds }).y
    const places = embedding(g, { table: weight(POSITIONS) }, { indices: rows.positions }).y
    return dropped(c, config.embd_pdrop, "transformer.wte", 0, add(g, { a: words, b: places }).y)
  })
  for (let layer = 0; layer < config.n_layer; layer++)
    x = blockOf(c, x, (inner) => block(c, config, rows, layer, inner))
  return layerNormOf(c, "transformer.ln_f", x, config.layer_norm_epsilon)
}

/**
 * GPT2LMHeadModel.
 *
 * Source: Radford et al. (2019); transformers' `modeling_gpt2.py`. Golden: tiny-families/gpt2.
 */
export function gpt2(config: Gpt2Config, layout: TextLayout = "rows", longest?: number): CausalNetwork {
  const { n_embd: C, vocab_size: V } = config
  const head = config.tie_word_embeddings ? WORDS : "lm_head.weight"
  const parts: CausalParts = {
    parameters: [
      { name: WORDS, shape: [V, C] },
      { name: POSITIONS, shape: [config.n_positions, C] },
      ...blocksOf(config.n_layer, (layer) => blockSpecs(config, layer)),
      ...normSpecs("transformer.ln_f", C),
      ...(config.tie_word_embeddings ? [] : [weightSpec("lm_head", V, C)])
    ],
    canonicalName: canonicalNameOf(config),
    initializer_range: config.initializer_range,
    decoder: {
      layers: config.n_layer,
      keyWidth: C,
      vocab_size: V,
      positions: config.n_positions,
      hidden: (c, rows, inputIds) => hidden(c, config, rows, inputIds),
      head: (c, x) => c.g.scope("head", () => project(c.g, { x, weight: c.weight(head) }).y)
    }
  }
  return causalNetwork(parts, layout, longest)
}
