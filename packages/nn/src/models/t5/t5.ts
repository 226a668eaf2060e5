import type { Dim } from "../../graph/dims.ts"
import type { Tensor } from "../../graph/Graph.ts"
import type { Feeds } from "../../graph/Program.ts"
import { blockOf, denseWithoutBias, dropped, rmsNormOf } from "../../network/layers.ts"
import type { Network, NetworkContext } from "../../network/Network.ts"
import { add } from "../../ops/add.ts"
import { placedBlockAttention, type Seen } from "../../ops/blockAttention.ts"
import { biasOf, causalBias } from "../../ops/causalBias.ts"
import { embedding } from "../../ops/embedding.ts"
import { geluTanh } from "../../ops/geluTanh.ts"
import {
  groupedAttention,
  type GroupedAttentionOptions,
  placedAttention,
  type Qkv
} from "../../ops/groupedAttention.ts"
import { multiply } from "../../ops/multiply.ts"
import { project } from "../../ops/project.ts"
import { relativeBias } from "../../ops/relativeBias.ts"
import { relu } from "../../ops/relu.ts"
import { scaled } from "../../ops/scaled.ts"
import { IGNORED } from "../../ops/softmaxCrossEntropy.ts"
import { attentionBlocks, type Keys } from "../decoder.ts"
import type { T5Config } from "./config.ts"
import { t5CanonicalName, t5Weights, WORDS } from "./weights.ts"

/** Tokens that a stack computes, and what they may look at. */
export interface StackRows {
  readonly batch: Dim
  /** Tokens of a row that are computed. */
  readonly length: Dim
  /** Tokens of a row that are looked at. */
  readonly keys: Dim
  /** int32 [length]: where the computed tokens stand among these. */
  readonly places: Tensor
  /** float32 that broadcasts to [B, H, length, keys]. */
  readonly bias: Tensor
  readonly remember: (layer: number, made: Keys) => Keys
  /** Of long rows: in how many blocks attention goes, and what is seen; `places` and `bias` are then not read. */
  readonly blocks?: { readonly count: number; readonly seen: Seen } | undefined
}

/** What a decoder looks at across: keys and values of the encoded text. */
export interface Across {
  readonly keys: Dim
  readonly bias: Tensor
  readonly recall: (layer: number, make: () => Keys) => Keys
}

/**
 * Tokens of a text from which attention to itself goes in blocks: measured, see docs/experiments.md. Later than a decoder's, as nothing
 * of what an encoder's blocks see is hidden, and each gathers its biases.
 */
export const LONG_TEXT = 2048

/** Where a stack's dropout sites begin, and how many a block may have: of 24 blocks all lie below those of blocks of attention. */
const SITES = { encoder: 0, decoder: 512 } as const
const SITES_OF_BLOCK = 16

/** The layers of one stack. */
class Stack {
  readonly #c: NetworkContext
  readonly #config: T5Config
  readonly #name: "encoder" | "decoder"
  #site: number

  constructor(c: NetworkContext, config: T5Config, name: "encoder" | "decoder") {
    this.#c = c
    this.#config = config
    this.#name = name
    this.#site = SITES[name]
  }

  /** Dropout sites from here on are a block's own, however often it is built; the number of blocks: those behind them. */
  enter(block: number): void {
    this.#site = SITES[this.#name] + 1 + SITES_OF_BLOCK * block
  }

  #drop(part: string, x: Tensor): Tensor {
    return dropped(this.#c, this.#config.dropout_rate, part, this.#site++, x)
  }

  norm(name: string, x: Tensor): Tensor {
    return rmsNormOf(this.#c, name, x, this.#config.layer_norm_epsilon)
  }

  #head(layer: string, name: string, x: Tensor): Tensor {
    return denseWithoutBias(this.#c, `${layer}.${name}`, x)
  }

  /** float32 [buckets, H]; the first block's table serves all. */
  #table(): Tensor {
    return this.#c.weight(`${this.#name}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`)
  }

  #distances() {
    return {
      maxDistance: this.#config.relative_attention_max_distance,
      direction: this.#name === "encoder" ? ("both" as const) : ("past" as const)
    }
  }

  /** float32 [1, H, T, S], for all blocks; undefined where attention goes in blocks, which make their own. */
  position(rows: StackRows): Tensor | undefined {
    if (rows.blocks !== undefined) return undefined
    const { keys, places } = rows
    return relativeBias(this.#c.g, { table: this.#table() }, { places, keys, ...this.#distances() }).y
  }

  embed(inputIds: Tensor): Tensor {
    const { g, weight } = this.#c
    return g.scope("embeddings", () =>
      this.#drop("shared", embedding(g, { table: weight(WORDS) }, { indices: inputIds }).y)
    )
  }

  #options(rows: Pick<StackRows, "batch" | "length">, keys: Dim, bias: Tensor, part: string) {
    const { dropout_rate, num_heads: heads } = this.#config
    const dropout = this.#c.dropoutAt(dropout_rate, part, this.#site++)
    return { batch: rows.batch, queries: rows.length, keys, heads, keyHeads: heads, scale: 1, bias, dropout }
  }

  /** Self-attention with its norm and its residual. */
  look(layer: string, block: number, rows: StackRows, position: Tensor | undefined, x: Tensor): Tensor {
    const { g } = this.#c
    const name = `${layer}.SelfAttention`
    const normal = this.norm(`${layer}.layer_norm`, x)
    const made = { k: this.#head(name, "k", normal), v: this.#head(name, "v", normal) }
    const q = this.#head(name, "q", normal)
    const { k, v } = rows.remember(block, made)
    const options = this.#options(rows, rows.keys, rows.bias, layer)
    const seen =
      position === undefined
        ? this.#inBlocks(rows, { q, k, v }, options)
        : placedAttention(g, { q, k, v, position }, options).y
    return add(g, { a: this.#drop(layer, this.#head(name, "o", seen)), b: x }).y
  }

  #inBlocks({ blocks, length }: StackRows, qkv: Qkv, options: GroupedAttentionOptions): Tensor {
    const { batch, dropout, heads, keyHeads, scale } = options
    const { count, seen } = blocks!
    const sizes = { batch, length, blocks: count, heads, keyHeads, scale }
    const relative = this.#distances()
    return placedBlockAttention(this.#c.g, { ...qkv, table: this.#table() }, { ...sizes, seen, relative, dropout }).y
  }

  /** Attention over the encoded text. */
  lookAcross(
    layer: string,
    block: number,
    rows: StackRows,
    across: Across,
    encoded: Tensor | undefined,
    x: Tensor
  ): Tensor {
    const { g } = this.#c
    const name = `${layer}.EncDecAttention`
    const q = this.#head(name, "q", this.norm(`${layer}.layer_norm`, x))
    const { k, v } = across.recall(block, () => acrossKeys(this.#c, block, encoded!))
    const seen = groupedAttention(g, { q, k, v }, this.#options(rows, across.keys, across.bias, layer)).y
    return add(g, { a: this.#drop(layer, this.#head(name, "o", seen)), b: x }).y
  }

  feedForward(layer: string, x: Tensor): Tensor {
    const { g } = this.#c
    const name = `${layer}.DenseReluDense`
    const normal = this.norm(`${layer}.layer_norm`, x)
    const wide =
      this.#config.feed_forward_proj === "relu"
        ? relu(g, { x: this.#head(name, "wi", normal) }).y
        : multiply(g, {
            a: geluTanh(g, { x: this.#head(name, "wi_0", normal) }).y,
            b: this.#head(name, "wi_1", normal)
          }).y
    return add(g, { a: this.#drop(layer, this.#head(name, "wo", this.#drop(layer, wide))), b: x }).y
  }

  finish(x: Tensor): Tensor {
    return this.#drop(`${this.#name}.final_layer_norm`, this.norm(`${this.#name}.final_layer_norm`, x))
  }
}

/** Keys and values that a decoder's block looks up in the encoded text. @param encoded float32 [B*S, C] */
export function acrossKeys(c: NetworkContext, block: number, encoded: Tensor): Keys {
  const head = (name: string) => denseWithoutBias(c, `decoder.block.${block}.layer.1.EncDecAttention.${name}`, encoded)
  return { k: head("k"), v: head("v") }
}

/** Last hidden states [B*T, C] of the text to read. @param inputIds int32 [B*T] */
export function t5Encode(c: NetworkContext, config: T5Config, rows: StackRows, inputIds: Tensor): Tensor {
  const { g } = c
  const stack = new Stack(c, config, "encoder")
  let x = stack.embed(inputIds)
  const position = stack.position(rows)
  for (let block = 0; block < config.num_layers; block++) {
    const prefix = `encoder.block.${block}.layer`
    x = blockOf(c, x, (inner) =>
      g.scope(`encoder.block.${block}`, () => {
        stack.enter(block)
        return stack.feedForward(`${prefix}.1`, stack.look(`${prefix}.0`, block, rows, position, inner))
      })
    )
  }
  stack.enter(config.num_layers)
  return stack.finish(x)
}

/**
 * Logits [B*T, V] of the text to write.
 *
 * @param inputIds int32 [B*T]
 * @param encoded float32 [B*S, C]; may be left out where everything across is remembered
 */
export function t5Decode(
  c: NetworkContext,
  config: T5Config,
  rows: StackRows,
  across: Across,
  inputIds: Tensor,
  encoded: Tensor | undefined
): Tensor {
  const { g, weight } = c
  const stack = new Stack(c, config, "decoder")
  let x = stack.embed(inputIds)
  const position = stack.position(rows)
  for (let block = 0; block < config.num_decoder_layers; block++) {
    const prefix = `decoder.block.${block}.layer`
    x = blockOf(c, x, (inner) =>
      g.scope(`decoder.block.${block}`, () => {
        stack.enter(block)
        const looked = stack.look(`${prefix}.0`, block, rows, position, inner)
        return stack.feedForward(`${prefix}.2`, stack.lookAcross(`${prefix}.1`, block, rows, across, encoded, looked))
      })
    )
  }
  stack.enter(config.num_decoder_layers)
  return g.scope("head", () => {
    const last = stack.finish(x)
    const sized = config.scale_decoder_outputs ? scaled(g, { x: last }, { by: config.d_model ** -0.5 }).y : last
    return project(g, { x: sized, weight: weight(config.tie_word_embeddings ? WORDS : "lm_head.weight") }).y
  })
}

/**
 * The text to read, padded behind.
 *
 * @param attentionMask int32 [B, S]
 * @param blocks in which attention goes; a divisor of S
 */
export function encoderRows({ g }: NetworkContext, attentionMask: Tensor, blocks = 1): StackRows {
  const [batch, length] = attentionMask.shape as [Dim, Dim]
  const mask = g.cast(attentionMask, "float32")
  const bias = g.reshape(biasOf(g, mask), [batch, 1, 1, length])
  const rows = { batch, length, keys: length, places: g.range(length), bias, remember: (_: number, made: Keys) => made }
  return { ...rows, blocks: inBlocks(blocks, { mask, causal: false, window: null }) }
}

const inBlocks = (count: number, seen: Seen): StackRows["blocks"] => (count === 1 ? undefined : { count, seen })

/** What a decoder is given, from what it is to say: one place to the right, after a start token. */
function decoderInputs({ decoder_start_token_id, pad_token_id }: T5Config): (feeds: Feeds) => Feeds {
  return (feeds) => {
    const { labels } = feeds
    if ("decoder_input_ids" in feeds || typeof labels !== "object" || !("shape" in labels)) return feeds
    const length = labels.shape[1]!
    const data = Int32Array.from(labels.data, (_, i) => {
      if (i % length === 0) return decoder_start_token_id
      return labels.data[i - 1] === IGNORED ? pad_token_id : labels.data[i - 1]!
    })
    return { ...feeds, decoder_input_ids: { data, shape: labels.shape } }
  }
}

/** A model that reads one text and writes another. */
export interface T5Network extends Network {
  readonly config: T5Config
}

/**
 * T5ForConditionalGeneration. Feeds `input_ids` and `attention_mask` int32 [B, S], and `labels` int32 [B, T] with -100 for padding,
 * from which `decoder_input_ids` are made unless they are fed.
 *
 * Where the longest text to read or to write is long, its attention to itself goes in blocks, and its lengths must be multiples of
 * ATTENTION_BLOCKS. What a text to write looks up in the one to read is computed whole.
 *
 * Source: Raffel et al. (2020); Shazeer (2020) for the gated form; transformers' `modeling_t5.py`. Golden: tiny-families/t5, t5-gated.
 */
export function t5(config: T5Config, longest: { readonly read?: number; readonly write?: number } = {}): T5Network {
  const [read, write] = [attentionBlocks(longest.read, LONG_TEXT), attentionBlocks(longest.write, LONG_TEXT)]
  return {
    config,
    parameters: t5Weights(config),
    canonicalName: t5CanonicalName(config),
    initializer_range: config.initializer_factor * config.d_model ** -0.5,
    prepare: decoderInputs(config),
    forward: (c) => {
      const { g } = c
      const ids = g.feed("input_ids", "int32", ["batch", "length"], { below: config.vocab_size })
      if (read > 1) g.multiple("length", read)
      if (write > 1) g.multiple("target", write)
      const rows = encoderRows(c, g.feed("attention_mask", "int32", ["batch", "length"], { below: 2 }), read)
      const written = g.feed("decoder_input_ids", "int32", ["batch", "target"], { below: config.vocab_size })
      const encoded = t5Encode(c, config, rows, g.reshape(ids, ["batch*length"]))
      const places = g.range("target")
      const bias = causalBias(g, places, "target", null)
      const own: StackRows = {
        batch: "batch",
        length: "target",
        keys: "target",
        places,
        bias,
        remember: (_, made) => made,
        blocks: inBlocks(write, { causal: true, window: null })
      }
      const across: Across = { keys: "length", bias: rows.bias, recall: (_, make) => make() }
      const logits = t5Decode(c, config, own, across, g.reshape(written, ["batch*target"]), encoded)
      return { logits, labelShape: ["batch", "target"] }
    }
  }
}
