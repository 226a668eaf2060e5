import type { Tensor } from "../../graph/Graph.ts"
import { blockOf, blocksOf, dense, denseSpecs, denseWithoutBias, rmsNormOf, weightSpec } from "../../network/layers.ts"
import type { NetworkContext } from "../../network/Network.ts"
import { add } from "../../ops/add.ts"
import { embedding } from "../../ops/embedding.ts"
import { geluTanh } from "../../ops/geluTanh.ts"
import { multiply } from "../../ops/multiply.ts"
import { project } from "../../ops/project.ts"
import { type Angles, anglesOf, rotary } from "../../ops/rotary.ts"
import { scaled } from "../../ops/scaled.ts"
import { silu } from "../../ops/silu.ts"
import { softCap } from "../../ops/softCap.ts"
import type { WeightSpec } from "../bert/weights.ts"
import {
  attend,
  type CausalNetwork,
  causalNetwork,
  type CausalParts,
  type DecoderRows,
  type TextLayout
} from "../decoder.ts"
import type { LlamaConfig } from "./config.ts"
import { frequenciesOf } from "./rope.ts"

const WORDS = "model.embed_tokens.weight"

function layerSpecs(config: LlamaConfig, layer: number): Array<WeightSpec> {
  const { head_dim: D, hidden_size: C, intermediate_size: F } = config
  const prefix = `model.layers.${layer}`
  const specs = (bias: boolean, name: string, outputs: number, inputs: number) =>
    bias ? denseSpecs(name, outputs, inputs) : [weightSpec(name, outputs, inputs)]
  const queries = config.num_attention_heads * D
  const keys = config.num_key_value_heads * D
  const norms = config.gemma
    ? ["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"]
    : ["input_layernorm", "post_attention_layernorm"]
  return [
    ...specs(config.qkv_bias, `${prefix}.self_attn.q_proj`, queries, C),
    ...specs(config.qkv_bias, `${prefix}.self_attn.k_proj`, keys, C),
    ...specs(config.qkv_bias, `${prefix}.self_attn.v_proj`, keys, C),
    ...specs(config.output_bias, `${prefix}.self_attn.o_proj`, C, queries),
    ...(config.qk_norm ? ["q_norm", "k_norm"].map((name) => weightSpec(`${prefix}.self_attn.${name}`, D)) : []),
    ...specs(config.mlp_bias, `${prefix}.mlp.gate_proj`, F, C),
    ...specs(config.mlp_bias, `${prefix}.mlp.up_proj`, F, C),
    ...specs(config.mlp_bias, `${prefix}.mlp.down_proj`, C, F),
    ...norms.map((name) => weightSpec(`${prefix}.${name}`, C))
  ]
}

/** What a file's tensor is called here; frequencies are computed, and a tied head is the embedding table. */
function canonicalNameOf({ tie_word_embeddings }: LlamaConfig): (fileName: string) => string | null {
  return (fileName) => {
    if (fileName.endsWith("rotary_emb.inv_freq")) return null
    if (fileName === "lm_head.weight") return tie_word_embeddings ? null : fileName
    return /^(embed_tokens|layers|norm)\./.test(fileName) ? `model.${fileName}` : fileName
  }
}

/** A network's layers under one config. */
class Layers {
  readonly #c: NetworkContext
  readonly #config: LlamaConfig

  constructor(c: NetworkContext, config: LlamaConfig) {
    this.#c = c
    this.#config = config
  }

  norm(name: string, x: Tensor): Tensor {
    return rmsNormOf(this.#c, name, x, this.#config.rms_norm_eps, this.#config.gemma ? 1 : 0)
  }

  #layer(bias: boolean, name: string, x: Tensor): Tensor {
    return bias ? dense(this.#c, name, x) : denseWithoutBias(this.#c, name, x)
  }

  /** @param x float32 [B*T, C] @returns float32 [B*T, C] */
  attention(prefix: string, rows: DecoderRows, angles: Angles, layer: number, x: Tensor): Tensor {
    const config = this.#config
    const { g } = this.#c
    const headed = (name: string, norm: string) => {
      const plain = this.#layer(config.qkv_bias, `${prefix}.${name}`, x)
      const normal = config.qk_norm ? rmsNormOf(this.#c, `${prefix}.${norm}`, plain, config.rms_norm_eps) : plain
      return rotary(g, { x: normal }, angles).y
    }
    const parts = {
      q: headed("q_proj", "q_norm"),
      k: headed("k_proj", "k_norm"),
      v: this.#layer(config.qkv_bias, `${prefix}.v_proj`, x)
    }
    const seen = attend(this.#c, rows, layer, parts, {
      heads: config.num_attention_heads,
      keyHeads: config.num_key_value_heads,
      scale: config.attention_scale,
      softCap: config.attn_logit_softcapping ?? undefined,
      dropout: this.#c.dropoutAt(config.attention_dropout, prefix, layer),
      window: config.windows[layer]!
    })
    return this.#layer(config.output_bias, `${prefix}.o_proj`, seen)
  }

  /** @param x float32 [B*T, C] @returns float32 [B*T, C] */
  gated(prefix: string, x: Tensor): Tensor {
    const { hidden_act, mlp_bias } = this.#config
    const { g } = this.#c
    const bend = hidden_act === "silu" ? silu : geluTanh
    const gate = bend(g, { x: this.#layer(mlp_bias, `${prefix}.gate_proj`, x) }).y
    const up = this.#layer(mlp_bias, `${prefix}.up_proj`, x)
    return this.#layer(mlp_bias, `${prefix}.down_proj`, multiply(g, { a: gate, b: up }).y)
  }

  block(rows: DecoderRows, angles: Angles, layer: number, x: Tensor): Tensor {
    const { g } = this.#c
    const { gemma } = this.#config
    const prefix = `model.layers.${layer}`
    const plus = (a: Tensor, b: Tensor) => add(g, { a, b }).y
    return g.scope(prefix, () => {
      const seen = this.attention(`${prefix}.self_attn`, rows, angles, layer, this.norm(`${prefix}.input_layernorm`, x))
      if (!gemma) {
        const middle = plus(seen, x)
        return plus(this.gated(`${prefix}.mlp`, this.norm(`${prefix}.post_attention_layernorm`, middle)), middle)
      }
      const middle = plus(this.norm(`${prefix}.post_attention_layernorm`, seen), x)
      const wide = this.gated(`${prefix}.mlp`, this.norm(`${prefix}.pre_feedforward_layernorm`, middle))
      return plus(this.norm(`${prefix}.post_feedforward_layernorm`, wide), middle)
    })
  }
}

function hidden(c: NetworkContext, config: LlamaConfig, rows: DecoderRows, inputIds: Tensor): Tensor {
  const { g, weight } = c
  const layers = new Layers(c, config)
  const angles = g.scope("rope", () => anglesOf(g, rows.positions, frequenciesOf(config.rope, config.head_dim)))
  const words = g.scope("embeddings", () => embedding(g, { table: weight(WORDS) }, { indices: inputIds }).y)
  let x = config.gemma ? scaled(g, { x: words }, { by: Math.sqrt(config.hidden_size) }).y : words
  for (let layer = 0; layer < config.num_hidden_layers; layer++)
    x = blockOf(c, x, (inner) => layers.block(rows, angles, layer, inner))
  return layers.norm("model.norm", x)
}

function head(c: NetworkContext, config: LlamaConfig, x: Tensor): Tensor {
  const { g, weight } = c
  return g.scope("head", () => {
    const { y } = project(g, { x, weight: weight(config.tie_word_embeddings ? WORDS : "lm_head.weight") })
    return config.final_logit_softcapping === null ? y : softCap(g, { x: y }, { cap: config.final_logit_softcapping }).y
  })
}

/**
 * LlamaForCausalLM and its kin: Mistral, Qwen2, Qwen3, Gemma 2.
 *
 * Source: transformers' `modeling_llama.py` and those of its kin. Golden: tiny-families/llama-*, mistral, qwen2, qwen3, gemma2;
 * stories260k.
 */
export function llama(config: LlamaConfig, layout: TextLayout = "rows", longest?: number): CausalNetwork {
  const { hidden_size: C, vocab_size: V } = config
  const parts: CausalParts = {
    parameters: [
      { name: WORDS, shape: [V, C] },
      ...blocksOf(config.num_hidden_layers, (layer) => layerSpecs(config, layer)),
      weightSpec("model.norm", C),
      ...(config.tie_word_embeddings ? [] : [weightSpec("lm_head", V, C)])
    ],
    canonicalName: canonicalNameOf(config),
    initializer_range: config.initializer_range,
    decoder: {
      layers: config.num_hidden_layers,
      keyWidth: config.num_key_value_heads * config.head_dim,
      vocab_size: V,
      positions: null,
      hidden: (c, rows, inputIds) => hidden(c, config, rows, inputIds),
      head: (c, x) => head(c, config, x)
    }
  }
  return causalNetwork(parts, layout, longest)
}
