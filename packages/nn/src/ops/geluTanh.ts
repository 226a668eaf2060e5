import { operation } from "../autodiff.ts"
import type { Tensor } from "../graph/Graph.ts"
import { withSlope } from "./gelu.ts"

const SLOPE = Math.sqrt(2 / Math.PI)
const CUBIC = 0.044715

/**
 * GELU by tanh: x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))).
 *
 * Source: `torch.nn.functional.gelu(approximate="tanh")`; `gelu_new` and `gelu_pytorch_tanh` of transformers.
 * Golden: tiny-families/gpt2, gemma2, t5-gated.
 *
 * @param x float32 of any shape
 * @returns y float32 of the same shape
 */
export const geluTanh = operation("geluTanh", {
  forward: (g, { x }: Readonly<Record<"x", Tensor>>) => {
    const square = g.square(x)
    const inner = g.mul(x, g.add(g.scalar(SLOPE), g.mul(g.scalar(SLOPE * CUBIC), square)))
    const tanh = g.tanh(inner)
    const cdf = g.mul(g.scalar(0.5), g.add(g.scalar(1), tanh))
    const innerSlope = g.add(g.scalar(SLOPE), g.mul(g.scalar(3 * SLOPE * CUBIC), square))
    const bend = g.mul(g.scalar(0.5), g.tanhGrad(tanh, g.mul(x, innerSlope)))
    return withSlope(g, x, g.add(cdf, bend), () => g.mul(x, cdf))
  },
  backward: (g, { y: dy }, { keep: { slope } }) => ({ x: g.mul(dy, slope) })
})
