import { operation } from "../autodiff.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * x σ(x), with σ the logistic function.
 *
 * Source: `torch.nn.functional.silu`. Golden: tiny-families/llama-tied.
 *
 * @param x float32 of any shape
 * @returns y float32 of the same shape
 */
export const silu = operation("silu", {
  forward: (g, { x }: Readonly<Record<"x", Tensor>>) => {
    const gate = g.sigmoid(x)
    return { outputs: { y: g.mul(x, gate) }, keep: { gate } }
  },
  backward: (g, { y: dy }, { keep: { gate }, outputs: { y } }) => ({
    // σ + x σ (1 - σ) = σ + y (1 - σ)
    x: g.mul(dy, g.add(gate, g.mul(y, g.sub(g.scalar(1), gate))))
  })
})
