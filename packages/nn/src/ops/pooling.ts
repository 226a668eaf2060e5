import { operation } from "../autodiff.ts"
import type { Dim } from "../graph/dims.ts"
import type { Tensor } from "../graph/Graph.ts"

interface Rows {
  readonly batch: Dim
  readonly length: Dim
}

/**
 * The first token of each row.
 *
 * @param x float32 [B*T, C]
 * @returns y float32 [B, C]
 */
export const clsToken = operation("clsToken", {
  forward: (g, { x }: Readonly<Record<"x", Tensor>>, { batch, length }: Rows) => {
    const width = x.shape[1]!
    const first = g.slice(g.reshape(x, [batch, length, width]), [0, 0, 0], [batch, 1, width])
    return { outputs: { y: g.reshape(first, [batch, width]) }, keep: undefined }
  },
  backward: (g, { y: dy }, { inputs: { x } }, { batch, length }) => {
    const first = g.reshape(dy, [batch, 1, x.shape[1]!])
    return { x: g.reshape(g.padEnd(first, 1, length), x.shape) }
  }
})

/**
 * The mean over a row's real tokens. A row without one gives zeros.
 *
 * Source: sentence-transformers' mean pooling.
 *
 * @param x float32 [B*T, C]
 * @param options.mask float32 [B, T]: 1 for a token, 0 for padding
 * @returns y float32 [B, C]
 */
export const maskedMean = operation("maskedMean", {
  forward: (g, { x }: Readonly<Record<"x", Tensor>>, { mask }: { readonly mask: Tensor }) => {
    const [batch, length] = mask.shape
    const width = x.shape[1]!
    const count = g.maximum(g.sum(mask, [1], true), g.scalar(1))
    const weight = g.reshape(mask, [batch!, length!, 1])
    const total = g.sum(g.mul(g.reshape(x, [batch!, length!, width]), weight), [1])
    return { outputs: { y: g.div(total, count) }, keep: { count, weight } }
  },
  backward: (g, { y: dy }, { inputs: { x }, keep: { count, weight } }, { mask }) => {
    const each = g.reshape(g.div(dy, count), [mask.shape[0]!, 1, x.shape[1]!])
    return { x: g.reshape(g.mul(weight, each), x.shape) }
  }
})
