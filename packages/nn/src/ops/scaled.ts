import { operation } from "../autodiff.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * A tensor times a number that does not train.
 *
 * Golden: tiny-families/gemma2 (embeddings times the root of the width), t5 (the tied head).
 *
 * @param x float32 of any shape
 * @returns y float32 of the same shape
 */
export const scaled = operation("scaled", {
  forward: (g, { x }: Readonly<Record<"x", Tensor>>, { by }: { readonly by: number }) => ({
    outputs: { y: g.mul(x, g.scalar(by)) },
    keep: undefined
  }),
  backward: (g, { y: dy }, _, { by }) => ({ x: g.mul(dy, g.scalar(by)) })
})
