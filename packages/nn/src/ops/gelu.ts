import { operation } from "../autodiff.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * x Φ(x), with Φ the normal distribution function, by erf: the exact form, not the tanh approximation.
 *
 * Source: `torch.nn.functional.gelu(approximate="none")`, Hugging Face's `hidden_act: "gelu"`.
 *
 * @param x float32 of any shape
 * @returns y float32 of the same shape
 */
export const gelu = operation("gelu", {
  forward: (g, { x }: Readonly<Record<"x", Tensor>>) => {
    const cdf = g.mul(g.scalar(0.5), g.add(g.scalar(1), g.erf(g.mul(x, g.scalar(Math.SQRT1_2)))))
    const density = g.mul(g.scalar(1 / Math.sqrt(2 * Math.PI)), g.exp(g.mul(g.scalar(-0.5), g.square(x))))
    // Kept instead of x and its cdf: half the memory. Where nothing trains, nobody asks for it and it is not computed.
    const slope = g.add(cdf, g.mul(x, density))
    return { outputs: { y: g.mul(x, cdf) }, keep: { slope } }
  },
  backward: (g, { y: dy }, { keep: { slope } }) => ({ x: g.mul(dy, slope) })
})
