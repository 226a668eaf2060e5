import { operation } from "../autodiff.ts"
import { product } from "../graph/dims.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * Groups of C neighbours scaled to mean square 1, then by a learnt vector; nothing is shifted. A row may be one group (C = W), or
 * several that share the vector: the heads of a query.
 *
 * Source: Zhang & Sennrich (2019); `LlamaRMSNorm`, `Gemma2RMSNorm` (offset 1), `T5LayerNorm` of transformers.
 * Golden: tiny-families/llama-tied, qwen3, gemma2, t5.
 *
 * @param x float32 [N, W], W a multiple of C
 * @param weight float32 [C]
 * @param options.eps added to the mean square
 * @param options.offset added to the learnt vector
 * @returns y float32 [N, W]
 */
export const rmsNorm = operation("rmsNorm", {
  forward: (
    g,
    { weight, x }: Readonly<Record<"x" | "weight", Tensor>>,
    { eps, offset }: { readonly eps: number; readonly offset: number }
  ) => {
    const [rows, width] = x.shape
    const size = Number(weight.shape[0])
    const grouped = g.reshape(x, [product([rows!, Number(width) / size]), size])
    const inverse = g.rsqrt(g.add(g.mean(g.square(grouped), [-1], true), g.scalar(eps)))
    const normal = g.mul(grouped, inverse)
    const scale = offset === 0 ? weight : g.add(weight, g.scalar(offset))
    return { outputs: { y: g.reshape(g.mul(normal, scale), x.shape) }, keep: { inverse, normal, scale } }
  },
  backward: (g, { y }, { inputs: { x }, keep: { inverse, normal, scale }, wants }) => {
    const dy = g.reshape(y, normal.shape)
    const dx = () => {
      const dNormal = g.mul(dy, scale)
      const along = g.mean(g.mul(dNormal, normal), [-1], true)
      return g.reshape(g.mul(inverse, g.sub(dNormal, g.mul(normal, along))), x.shape)
    }
    return {
      x: dx,
      weight: wants("weight") ? g.sum(g.mul(dy, normal), [0]) : undefined
    }
  }
})
