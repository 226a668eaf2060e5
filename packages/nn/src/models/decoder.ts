import type { Dim } from "../graph/dims.ts"
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

/** Each token is to tell the next one: labels move one place to the left, and nothing is known of what follows the last. */
export function shiftLabels(feeds: Feeds): Feeds {
  const { labels } = feeds
  if (typeof labels !== "object" || !("shape" in labels) || labels.shape.length !== 2) return feeds
  const length = labels.shape[1]!
  const data = Int32Array.from(labels.data, (_, i) => ((i + 1) % length === 0 ? IGNORED : labels.data[i + 1]!))
  return { ...feeds, labels: { data, shape: labels.shape } }
}

/**
 * A causal language model's network. Feeds `input_ids`, `attention_mask` and `labels`, int32 [B, T]; labels are the ids themselves
 * with -100 where nothing is learnt: they are shifted here. Logits are those of each place for the next token.
 */
export function causalNetwork(parts: Omit<CausalNetwork, "forward" | "prepare">): CausalNetwork {
  const { decoder } = parts
  const forward = (c: NetworkContext) => {
    const { g } = c
    const shape = ["batch", "length"]
    if (decoder.positions !== null) g.limit("length", decoder.positions)
    const ids = g.feed("input_ids", "int32", shape, { below: decoder.vocab_size })
    const rows = textRows(c, g.feed("attention_mask", "int32", shape, { below: 2 }))
    const x = decoder.hidden(c, rows, g.reshape(ids, ["batch*length"]))
    return { logits: decoder.head(c, x), labelShape: shape }
  }
  return { ...parts, forward, prepare: shiftLabels }
}

/** How many labels a causal model learns from: all that are not -100, but each row's first. */
export function supervisedTokens(labels: ArrayLike<number>, length: number): number {
  let count = 0
  for (let i = 0; i < labels.length; i++) if (i % length !== 0 && labels[i] !== IGNORED) count++
  return count
}
