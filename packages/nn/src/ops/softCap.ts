import { operation } from "../autodiff.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * cap tanh(x / cap): the identity for small x, never beyond the cap.
 *
 * Source: Gemma Team (2024), Gemma 2, 2.2; `final_logit_softcapping` of transformers. Golden: tiny-families/gemma2.
 *
 * @param x float32 of any shape
 * @returns y float32 of the same shape
 */
export const softCap = operation("softCap", {
  forward: (g, { x }: Readonly<Record<"x", Tensor>>, { cap }: { readonly cap: number }) => {
    const tanh = g.tanh(g.mul(x, g.scalar(1 / cap)))
    return { outputs: { y: g.mul(tanh, g.scalar(cap)) }, keep: { tanh } }
  },
  backward: (g, { y: dy }, { keep: { tanh } }) => ({ x: g.tanhGrad(tanh, dy) })
})
