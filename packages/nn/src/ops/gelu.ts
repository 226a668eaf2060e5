import { operation } from "../autodiff.ts"
import type { Builder } from "../graph/Builder.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * y, of which the derivative keeps the slope alone: of all that goes into it the least. Where something trains the slope comes first, or engines would put
 * it off to the end of the way forward, and hold what it is made from till then; where nothing does, nobody asks for it and it is not computed.
 */
export function withSlope(g: Builder, x: Tensor, slope: Tensor, y: () => Tensor) {
  return { outputs: { y: g.trains.has(x) ? g.after([slope.node], y) : y() }, keep: { slope } }
}

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
    return withSlope(g, x, g.add(cdf, g.mul(x, density)), () => g.mul(x, cdf))
  },
  backward: (g, { y: dy }, { keep: { slope } }) => ({ x: g.mul(dy, slope) })
})
