import { operation } from "../autodiff.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * The hyperbolic tangent.
 *
 * @param x float32 of any shape
 * @returns y float32 of the same shape
 */
export const tanh = operation("tanh", {
  forward: (g, { x }: Readonly<Record<"x", Tensor>>) => ({ outputs: { y: g.tanh(x) }, keep: undefined }),
  backward: (g, { y: dy }, { outputs: { y } }) => ({ x: g.tanhGrad(y, dy) })
})
