import type { Builder } from "../graph/Builder.ts"
import { type Dim, product } from "../graph/dims.ts"
import type { Tensor } from "../graph/Graph.ts"
import type { Feeds } from "../graph/Program.ts"
import type { Network, NetworkContext } from "../network/Network.ts"
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
 */
export function textRows({ g }: NetworkContext, attentionMask: Tensor): DecoderRows {
  const [batch, length] = attentionMask.shape as [Dim, Dim]
  const mask = g.cast(attentionMask, "float32")
  const padding = g.reshape(biasOf(g, mask), [batch, 1, 1, length])
  return {
    batch,
    length,
    keys: length,
    positions: countedPositions(g, mask),
    remember: (_, made) => made,
    bias: biases((window) => g.add(causalBias(g, g.range(length), length, window), padding))
  }
}

/**
 * Several texts in each row, one after the other: a token sees those of its own text alone, and positions begin anew with each.
 *
 * @param segmentIds int32 [B, T]: which text of its row a token belongs to, from 1; 0 for padding
 */
export function packedRows({ g }: NetworkContext, segmentIds: Tensor): DecoderRows {
  const [batch, length] = segmentIds.shape as [Dim, Dim]
  const apart = g.notEqual(g.reshape(segmentIds, [batch, length, 1]), g.reshape(segmentIds, [batch, 1, length]))
  const together = g.sub(g.scalar(1), g.cast(apart, "float32"))
  const segments = g.reshape(biasOf(g, together), [batch, 1, length, length])
  return {
    batch,
    length,
    keys: length,
    positions: positionsIn(g, together),
    remember: (_, made) => made,
    bias: biases((window) => g.add(causalBias(g, g.range(length), length, window), segments))
  }
}

/** How many tokens of the same text stand before each. @param together float32 [B, T, T] @returns int32 [B*T] */
function positionsIn(g: Builder, together: Tensor): Tensor {
  const [batch, length] = together.shape as [Dim, Dim]
  const index = g.range(length)
  const before = g.cast(g.greaterEqual(g.reshape(index, [length, 1]), g.reshape(index, [1, length])), "float32")
  const counted = g.sum(g.mul(together, before), [2])
  return g.cast(g.reshape(g.sub(counted, g.scalar(1)), [product([batch, length])]), "int32")
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
  const { batch, keys, length: queries } = rows
  return groupedAttention(g, { q, k, v }, { ...options, batch, queries, keys, bias: rows.bias(window) }).y
}

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
 */
export function causalNetwork(parts: CausalParts, layout: TextLayout = "rows"): CausalNetwork {
  const { decoder } = parts
  const forward = (c: NetworkContext) => {
    const { g } = c
    const shape = ["batch", "length"]
    if (decoder.positions !== null) g.limit("length", decoder.positions)
    const ids = g.feed("input_ids", "int32", shape, { below: decoder.vocab_size })
    const rows =
      layout === "packed"
        ? packedRows(c, g.feed("segment_ids", "int32", shape))
        : textRows(c, g.feed("attention_mask", "int32", shape, { below: 2 }))
    const x = decoder.hidden(c, rows, g.reshape(ids, ["batch*length"]))
    return { logits: decoder.head(c, x), labelShape: shape }
  }
  return { ...parts, forward, prepare: shiftLabels }
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
