import { operation } from "../autodiff.ts"
import type { Builder } from "../graph/Builder.ts"
import { product } from "../graph/dims.ts"
import type { Tensor } from "../graph/Graph.ts"
import { droppedBy, type DropoutSite, dropoutStays } from "./dropout.ts"

export interface AttentionOptions {
  readonly heads: number
  /** float32 [B, 1, 1, T], added to the scores: 0 where a key may be seen, very negative where not. */
  readonly bias: Tensor
  /** On the attention weights; left out, there is none. */
  readonly dropout?: DropoutSite | undefined
}

/** [B*T, C] to [B, H, T, C/H]. */
function toHeads(g: Builder, x: Tensor, { bias, heads }: AttentionOptions): Tensor {
  const width = Number(x.shape[1]) / heads
  return g.transpose(g.reshape(x, [bias.shape[0]!, bias.shape[3]!, heads, width]), [0, 2, 1, 3])
}

/** [B, H, T, C/H] to [B*T, C]. */
function fromHeads(g: Builder, x: Tensor): Tensor {
  const [batch, heads, length, width] = x.shape
  return g.reshape(g.transpose(x, [0, 2, 1, 3]), [product([batch!, length!]), Number(heads) * Number(width)])
}

const weightsOf = (g: Builder, qh: Tensor, kh: Tensor, { bias }: AttentionOptions): Tensor =>
  g.softmax(g.add(g.batchMatmul(qh, kh, false, true), bias))

/**
 * Scaled dot-product attention of every token over the tokens of its row; the T x T weights are materialised.
 *
 * Source: "Attention Is All You Need", 3.2; Hugging Face's eager BERT attention.
 *
 * @param q float32 [B*T, C]
 * @param k float32 [B*T, C]
 * @param v float32 [B*T, C]
 * @returns y float32 [B*T, C]
 */
export const attention = operation("attention", {
  forward: (g, { k, q, v }: Readonly<Record<"q" | "k" | "v", Tensor>>, options: AttentionOptions) => {
    const scale = g.scalar(1 / Math.sqrt(Number(q.shape[1]) / options.heads))
    const qh = toHeads(g, g.mul(q, scale), options)
    const kh = toHeads(g, k, options)
    const vh = toHeads(g, v, options)
    const weights = weightsOf(g, qh, kh, options)
    const stays = options.dropout && dropoutStays(g, weights.shape, options.dropout)
    const dropped = droppedBy(g, weights, stays, options.dropout)
    return { outputs: { y: fromHeads(g, g.batchMatmul(dropped, vh)) }, keep: { kh, qh, scale, stays, vh } }
  },
  backward: (g, { y }, { keep: { kh, qh, scale, stays, vh }, wants }, options) => {
    // Again from queries and keys: kept, they would be the largest values of a block.
    const weights = weightsOf(g, qh, kh, options)
    const dropped = droppedBy(g, weights, stays, options.dropout)
    const dy = toHeads(g, y, options)
    const dScores = () => {
      const dDropped = g.batchMatmul(dy, vh, false, true)
      const dWeights = droppedBy(g, dDropped, stays, options.dropout)
      return g.mul(weights, g.sub(dWeights, g.sum(g.mul(dWeights, weights), [-1], true)))
    }
    const ds = wants("q") || wants("k") ? dScores() : undefined
    return {
      q: ds && wants("q") ? g.mul(fromHeads(g, g.batchMatmul(ds, kh)), scale) : undefined,
      k: ds && wants("k") ? fromHeads(g, g.batchMatmul(ds, qh, true, false)) : undefined,
      v: wants("v") ? fromHeads(g, g.batchMatmul(dropped, dy, true, false)) : undefined
    }
  }
})
