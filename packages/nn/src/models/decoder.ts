import { type Dim, product } from "../graph/dims.ts"
import type { Tensor } from "../graph/Graph.ts"
import type { Feeds } from "../graph/Program.ts"
import type { Network, NetworkContext } from "../network/Network.ts"
import { blockAttention, type Seen } from "../ops/blockAttention.ts"
import { biasOf, causalBias } from "../ops/causalBias.ts"
import { countedPositions } from "../ops/countedPositions.ts"
import { groupedAttention, type GroupedAttentionOptions } from "../ops/groupedAttention.ts"
import { IGNORED } from "../ops/softmaxCrossEntropy.ts"

/** Keys and values of a layer, float32 [B*S, keyWidth]. */
export interface Keys {
  readonly k: Tensor
  readonly v: Tensor
}

/** The tokens that a decoder computes, and what they may look at: whole texts in training, one token and a memory in generation. */
export interface DecoderRows {
  readonly batch: Dim
  /** Tokens of a row that are computed: queries. */
  readonly length: Dim
  /** Tokens of a row that are looked at. */
  readonly keys: Dim
  /** int32 [B*T], from 0 at each row's first real token. */
  readonly positions: Tensor
  /** Keys and values to look at, given those of the tokens that are computed. */
  readonly remember: (layer: number, made: Keys) => Keys
  /** float32 that broadcasts to [B, H, T, S]; of the past only `window` tokens are seen where there is a window. */
  readonly bias: (window: number | null) => Tensor
  /** For rows whose attention goes in blocks: how many, and what `bias` says as what it follows from. */
  readonly blocks?: { readonly count: number; readonly seen: (window: number | null) => Seen } | undefined
}

/** A decoder apart from how its tokens are fed. */
export interface Decoder {
  readonly layers: number
  /** Width of a layer's keys, and of its values. */
  readonly keyWidth: number
  readonly vocab_size: number
  /** Where positions come from a table: its size. */
  readonly positions: number | null
  /** Last hidden states [B*T, C] of flat token ids int32 [B*T]. */
  readonly hidden: (c: NetworkContext, rows: DecoderRows, inputIds: Tensor) => Tensor
  /** Logits [N, V] of hidden states [N, C]. */
  readonly head: (c: NetworkContext, x: Tensor) => Tensor
}

/** A causal language model: the network of its training, and its decoder. */
export interface CausalNetwork extends Network {
  readonly decoder: Decoder
}

/** What a family says of its model; how texts are fed is added by `causalNetwork`. */
export type CausalParts = Omit<CausalNetwork, "forward" | "prepare">

/** Biases are shared by the layers that see alike. */
function biases(make: (window: number | null) => Tensor): (window: number | null) => Tensor {
  const known = new Map<number | null, Tensor>()
  return (window) => {
    const found = known.get(window) ?? make(window)
    known.set(window, found)
    return found
  }
}

/**
 * Whole rows of text, padded on either side.
 *
 * @param attentionMask int32 [B, T]
 * @param blocks in which attention goes; a divisor of T
 */
export function textRows({ g }: NetworkContext, attentionMask: Tensor, blocks = 1): DecoderRows {
  const [batch, length] = attentionMask.shape as [Dim, Dim]
  const mask = g.cast(attentionMask, "float32")
  const padding = g.reshape(biasOf(g, mask), [batch, 1, 1, length])
  return {
    batch,
    length,
    keys: length,
    positions: countedPositions(g, mask),
    remember: (_, made) => made,
    bias: biases((window) => g.add(causalBias(g, g.range(length), length, window), padding)),
    blocks: inBlocks(blocks, (window) => ({ mask, causal: true, window }))
  }
}

const inBlocks = (count: number, seen: (window: number | null) => Seen): DecoderRows["blocks"] =>
  count === 1 ? undefined : { count, seen }

/**
 * Several texts in each row, one after the other: a token sees those of its own text alone, and positions begin anew with each.
 *
 * @param segmentIds int32 [B, T]: which text of its row a token belongs to, from 1; 0 for padding
 * @param positions int32 [B, T]: see `withPositions`
 * @param blocks in which attention goes; a divisor of T
 */
export function packedRows({ g }: NetworkContext, segmentIds: Tensor, positions: Tensor, blocks = 1): DecoderRows {
  const [batch, length] = segmentIds.shape as [Dim, Dim]
  const segments = () => {
    const apart = g.notEqual(g.reshape(segmentIds, [batch, length, 1]), g.reshape(segmentIds, [batch, 1, length]))
    return g.reshape(biasOf(g, g.sub(g.scalar(1), g.cast(apart, "float32"))), [batch, 1, length, length])
  }
  return {
    batch,
    length,
    keys: length,
    positions: g.reshape(positions, [product([batch, length])]),
    remember: (_, made) => made,
    bias: biases((window) => g.add(causalBias(g, g.range(length), length, window), segments())),
    blocks: inBlocks(blocks, (window) => ({ segments: segmentIds, causal: true, window }))
  }
}

/** How many tokens of the same text stand before each, as `position_ids`: known from `segment_ids`, so no caller has to say. */
function withPositions(feeds: Feeds): Feeds {
  const { segment_ids } = feeds
  if (typeof segment_ids !== "object" || !("shape" in segment_ids)) return feeds
  const { data, shape } = segment_ids
  const positions = new Int32Array(data.length)
  for (let i = 1; i < data.length; i++)
    if (i % shape[1]! !== 0 && data[i] === data[i - 1]) positions[i] = positions[i - 1]! + 1
  return { ...feeds, position_ids: { data: positions, shape } }
}

/** One token for each row, and a memory of `capacity` places. */
export interface StepFeeds {
  readonly batch: number
  readonly capacity: number
  /** int32 [1]: the place in the memory where the token stands, the same for all rows. */
  readonly slot: Tensor
  /** float32 [B, capacity]: 1 for what may be seen, the token's own place among it. */
  readonly seen: Tensor
  /** int32 [B] */
  readonly positions: Tensor
  readonly remember: DecoderRows["remember"]
}

export function stepRows({ g }: NetworkContext, feeds: StepFeeds): DecoderRows {
  const { batch, capacity, positions, remember, seen, slot } = feeds
  const padding = g.reshape(biasOf(g, seen), [batch, 1, 1, capacity])
  return {
    batch,
    length: 1,
    keys: capacity,
    positions,
    remember,
    bias: biases((window) => (window === null ? padding : g.add(causalBias(g, slot, capacity, window), padding)))
  }
}

type AttendOptions = Pick<GroupedAttentionOptions, "heads" | "keyHeads" | "scale" | "softCap" | "dropout"> & {
  readonly window: number | null
}

/** Attention of the computed tokens over all that their rows remember. */
export function attend(
  { g }: NetworkContext,
  rows: DecoderRows,
  layer: number,
  { q, ...made }: Keys & { readonly q: Tensor },
  { window, ...options }: AttendOptions
): Tensor {
  const { k, v } = rows.remember(layer, made)
  const { batch, blocks, keys, length: queries } = rows
  if (blocks !== undefined) {
    const inBlocksOf = { ...options, batch, length: queries, blocks: blocks.count, seen: blocks.seen(window) }
    return blockAttention(g, { q, k, v }, inBlocksOf).y
  }
  return groupedAttention(g, { q, k, v }, { ...options, batch, queries, keys, bias: rows.bias(window) }).y
}

/** In how many blocks the attention of long rows goes; lengths are rounded up to multiples of it anyway. */
export const ATTENTION_BLOCKS = 8
/** Tokens of a row from which blocks are used: measured, see docs/experiments.md. */
export const LONG_ROW = 1024

/** @param longest tokens of the longest row that will be fed @param from of which length on blocks are used */
export const attentionBlocks = (longest = 0, from = LONG_ROW): number => (longest < from ? 1 : ATTENTION_BLOCKS)

/** How the texts of a batch lie: a row each under `attention_mask`, or several in a row under `segment_ids`. */
export type TextLayout = "rows" | "packed"

/** Whether the token at `i` follows one of its own text: only then can anything tell it. */
function follows(i: number, length: number, segments: ArrayLike<number> | undefined): boolean {
  return i % length !== 0 && (segments === undefined || (segments[i] === segments[i - 1] && segments[i] !== 0))
}

/** Each token is to tell the next one: labels move one place to the left, and nothing is known of what follows the last. */
export function shiftLabels(feeds: Feeds): Feeds {
  const { labels, segment_ids } = feeds
  if (typeof labels !== "object" || !("shape" in labels) || labels.shape.length !== 2) return feeds
  const length = labels.shape[1]!
  const segments = typeof segment_ids === "object" && "shape" in segment_ids ? segment_ids.data : undefined
  const data = Int32Array.from(labels.data, (_, i) =>
    follows(i + 1, length, segments) ? labels.data[i + 1]! : IGNORED
  )
  return { ...feeds, labels: { data, shape: labels.shape } }
}

/**
 * A causal language model's network. Feeds `input_ids`, `attention_mask` and `labels`, int32 [B, T]; labels are the ids themselves
 * with -100 where nothing is learnt: they are shifted here. Logits are those of each place for the next token. Packed, `segment_ids`
 * take the place of `attention_mask`: see `packedRows`.
 *
 * @param longest tokens of the longest row that will be fed: long ones are attended in blocks, and their lengths must be multiples of
 *   ATTENTION_BLOCKS. Left out, rows are short.
 */
export function causalNetwork(parts: CausalParts, layout: TextLayout = "rows", longest?: number): CausalNetwork {
  const { decoder } = parts
  const blocks = attentionBlocks(longest)
  const forward = (c: NetworkContext) => {
    const { g } = c
    const shape = ["batch", "length"]
    if (decoder.positions !== null) g.limit("length", decoder.positions)
    const ids = g.feed("input_ids", "int32", shape, { below: decoder.vocab_size })
    if (blocks > 1) g.multiple("length", blocks)
    const rows =
      layout === "packed"
        ? packedRows(c, g.feed("segment_ids", "int32", shape), g.feed("position_ids", "int32", shape), blocks)
        : textRows(c, g.feed("attention_mask", "int32", shape, { below: 2 }), blocks)
    const x = decoder.hidden(c, rows, g.reshape(ids, ["batch*length"]))
    return { logits: decoder.head(c, x), labelShape: shape }
  }
  const prepare = layout === "packed" ? (feeds: Feeds) => withPositions(shiftLabels(feeds)) : shiftLabels
  return { ...parts, forward, prepare }
}

/**
 * How many labels a causal model learns from: all that are not -100, but the first of each text.
 *
 * @param length T
 * @param segments of packed rows
 */
export function supervisedTokens(labels: ArrayLike<number>, length: number, segments?: ArrayLike<number>): number {
  let count = 0
  for (let i = 0; i < labels.length; i++) if (follows(i, length, segments) && labels[i] !== IGNORED) count++
  return count
}
