import { operation } from "../autodiff.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * Each row shifted and scaled to mean 0 and variance 1 (biased), then scaled and shifted by learnt vectors.
 *
 * Source: `torch.nn.LayerNorm` over the last axis.
 *
 * @param x float32 [N, C]
 * @param weight float32 [C]
 * @param bias float32 [C]
 * @param options.eps added to the variance
 * @returns y float32 [N, C]
 */
export const layerNorm = operation("layerNorm", {
  forward: (
    g,
    { bias, weight, x }: Readonly<Record<"x" | "weight" | "bias", Tensor>>,
    { eps }: { readonly eps: number }
  ) => {
    const centred = g.sub(x, g.mean(x, [-1], true))
    const inverse = g.rsqrt(g.add(g.mean(g.square(centred), [-1], true), g.scalar(eps)))
    const normal = g.mul(centred, inverse)
    return { outputs: { y: g.add(g.mul(normal, weight), bias) }, keep: { inverse, normal } }
  },
  backward: (g, { y: dy }, { inputs: { weight }, keep: { inverse, normal }, wants }) => {
    const dx = () => {
      const dNormal = g.mul(dy, weight)
      const along = g.mean(g.mul(dNormal, normal), [-1], true)
      return g.mul(inverse, g.sub(g.sub(dNormal, g.mean(dNormal, [-1], true)), g.mul(normal, along)))
    }
    return {
      x: dx,
      weight: wants("weight") ? g.sum(g.mul(dy, normal), [0]) : undefined,
      bias: wants("bias") ? g.biasAddGrad(dy) : undefined
    }
  }
})
