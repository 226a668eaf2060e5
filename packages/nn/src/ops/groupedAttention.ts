import { operation } from "../autodiff.ts"
import type { Builder } from "../graph/Builder.ts"
import { type Dim, product } from "../graph/dims.ts"
import type { Tensor } from "../graph/Graph.ts"
import { droppedBy, type DropoutSite, dropoutStays } from "./dropout.ts"

export interface GroupedAttentionOptions {
  readonly batch: Dim
  /** T: tokens of a row that look. */
  readonly queries: Dim
  /** S: tokens of a row that are looked at. */
  readonly keys: Dim
  /** H query heads; `keyHeads` of keys and values, a divisor: neighbouring query heads share one. */
  readonly heads: number
  readonly keyHeads: number
  /** What products of queries and keys are multiplied with. */
  readonly scale: number
  /** float32 that broadcasts to [B, H, T, S], added to the scores: 0 where a key may be seen, very negative where not. Left out, all may be seen. */
  readonly bias?: Tensor | undefined
  /** Scores are held within this by tanh, before the bias. */
  readonly softCap?: number | undefined
  /** On the attention weights; left out, there is none. */
  readonly dropout?: DropoutSite | undefined
}

/** How the tokens of rows lie in heads, and heads in groups. */
export type Grouping = Pick<GroupedAttentionOptions, "batch" | "queries" | "keys" | "heads" | "keyHeads">

export type Qkv = Readonly<Record<"q" | "k" | "v", Tensor>>

/** [B*L, G*D] to [B, keyHeads, G/keyHeads * L, D]: the query heads of a group lie one after the other, so keys need no copies. */
export function toGroups(g: Builder, x: Tensor, length: Dim, heads: number, o: Grouping): Tensor {
  const size = Number(x.shape[1]) / heads
  const group = heads / o.keyHeads
  if (group === 1) return g.transpose(g.reshape(x, [o.batch, length, heads, size]), [0, 2, 1, 3])
  const split = g.transpose(g.reshape(x, [o.batch, length, o.keyHeads, group, size]), [0, 2, 3, 1, 4])
  return g.reshape(split, [o.batch, o.keyHeads, product([group, length]), size])
}

/** The way back. */
export function fromGroups(g: Builder, x: Tensor, length: Dim, heads: number, o: Grouping): Tensor {
  const size = Number(x.shape[3])
  const group = heads / o.keyHeads
  const rows = [product([o.batch, length]), heads * size]
  if (group === 1) return g.reshape(g.transpose(x, [0, 2, 1, 3]), rows)
  const split = g.reshape(x, [o.batch, o.keyHeads, group, length, size])
  return g.reshape(g.transpose(split, [0, 3, 1, 2, 4]), rows)
}

/** [B, keyHeads, G*T, S] to [B, H, T, S]. */
export const perHead = (g: Builder, scores: Tensor, o: Grouping): Tensor =>
  g.reshape(scores, [o.batch, o.heads, o.queries, o.keys])

/** The way back. */
export const perGroup = (g: Builder, scores: Tensor, o: Grouping): Tensor =>
  g.reshape(scores, [o.batch, o.keyHeads, product([o.heads / o.keyHeads, o.queries]), o.keys])

interface Scored {
  /** float32 [B, keyHeads, G*T, D], scaled */
  readonly qh: Tensor
  /** float32 [B, keyHeads, S, D] */
  readonly kh: Tensor
  readonly position: Tensor | undefined
}

/** Weights [B, H, T, S], and the scores under the cap, where there is one, before they were scaled back. */
function weightsOf(g: Builder, { kh, position, qh }: Scored, o: GroupedAttentionOptions) {
  const raw = perHead(g, g.batchMatmul(qh, kh, false, true), o)
  const capped = o.softCap === undefined ? undefined : g.tanh(g.mul(raw, g.scalar(1 / o.softCap)))
  const scores = capped === undefined ? raw : g.mul(capped, g.scalar(o.softCap!))
  const placed = position === undefined ? scores : g.add(scores, position)
  return { capped, weights: g.softmax(o.bias === undefined ? placed : g.add(placed, o.bias)) }
}

function forward(g: Builder, { k, q, v }: Qkv, position: Tensor | undefined, o: GroupedAttentionOptions) {
  const scale = g.scalar(o.scale)
  const qh = toGroups(g, o.scale === 1 ? q : g.mul(q, scale), o.queries, o.heads, o)
  const kh = toGroups(g, k, o.keys, o.keyHeads, o)
  const vh = toGroups(g, v, o.keys, o.keyHeads, o)
  const { weights } = weightsOf(g, { kh, position, qh }, o)
  const stays = o.dropout && dropoutStays(g, weights.shape, o.dropout)
  const dropped = perGroup(g, droppedBy(g, weights, stays, o.dropout), o)
  const y = fromGroups(g, g.batchMatmul(dropped, vh), o.queries, o.heads, o)
  return { outputs: { y }, keep: { kh, position, qh, scale, stays, vh } }
}

type Keep = ReturnType<typeof forward>["keep"]

function backward(
  g: Builder,
  y: Tensor,
  keep: Keep,
  o: GroupedAttentionOptions,
  wants: (name: "q" | "k" | "v") => boolean
) {
  const { kh, qh, scale, stays, vh } = keep
  // Again from queries and keys: kept, they would be the largest values of a block.
  const { capped, weights } = weightsOf(g, keep, o)
  const dy = toGroups(g, y, o.queries, o.heads, o)
  const dropped = () => perGroup(g, droppedBy(g, weights, stays, o.dropout), o)
  const dWeights = droppedBy(g, perHead(g, g.batchMatmul(dy, vh, false, true), o), stays, o.dropout)
  // Of the scores with everything added, which is also the gradient of a learnt bias.
  const dPlaced = g.mul(weights, g.sub(dWeights, g.sum(g.mul(dWeights, weights), [-1], true)))
  const ds = perGroup(g, capped === undefined ? dPlaced : g.tanhGrad(capped, dPlaced), o)
  const dq = () => fromGroups(g, g.batchMatmul(ds, kh), o.queries, o.heads, o)
  return {
    dPlaced,
    q: wants("q") ? (o.scale === 1 ? dq() : g.mul(dq(), scale)) : undefined,
    k: wants("k") ? fromGroups(g, g.batchMatmul(ds, qh, true, false), o.keys, o.keyHeads, o) : undefined,
    v: wants("v") ? fromGroups(g, g.batchMatmul(dropped(), dy, true, false), o.keys, o.keyHeads, o) : undefined
  }
}

/**
 * Scaled dot-product attention with fewer heads of keys than of queries, its own numbers of queries and keys, and a cap on scores.
 * The T x S weights are materialised.
 *
 * Source: Ainslie et al. (2023), grouped-query attention; `eager_attention_forward` of transformers' Llama and Gemma2.
 * Golden: tiny-families/gpt2, llama-tied, gemma2.
 *
 * @param q float32 [B*T, H*D]
 * @param k float32 [B*S, keyHeads*D]
 * @param v float32 [B*S, keyHeads*D]
 * @returns y float32 [B*T, H*D]
 */
export const groupedAttention = operation("groupedAttention", {
  forward: (g, inputs: Qkv, options: GroupedAttentionOptions) => forward(g, inputs, undefined, options),
  backward: (g, { y }, { keep, wants }, options) => {
    const { k, q, v } = backward(g, y, keep, options, wants)
    return { q, k, v }
  }
})

/**
 * The same with a learnt bias for each head and pair of places, shared by the rows of a batch.
 *
 * Source: Raffel et al. (2020), T5. Golden: tiny-families/t5.
 *
 * @param q float32 [B*T, H*D]
 * @param k float32 [B*S, keyHeads*D]
 * @param v float32 [B*S, keyHeads*D]
 * @param position float32 [1, H, T, S], added to the scores
 * @returns y float32 [B*T, H*D]
 */
export const placedAttention = operation("placedAttention", {
  forward: (
    g,
    { position, ...inputs }: Readonly<Record<"q" | "k" | "v" | "position", Tensor>>,
    options: GroupedAttentionOptions
  ) => forward(g, inputs, position, options),
  backward: (g, { y }, { keep, wants }, options) => {
    const { dPlaced, k, q, v } = backward(g, y, keep, options, wants)
    return { q, k, v, position: wants("position") ? g.sum(dPlaced, [0], true) : undefined }
  }
})
