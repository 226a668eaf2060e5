import { operation } from "../autodiff.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * max(x, 0). The derivative at 0 is 0, as PyTorch has it.
 *
 * Source: `torch.nn.functional.relu`. Golden: tiny-families/distilbert, t5.
 *
 * @param x float32 of any shape
 * @returns y float32 of the same shape
 */
export const relu = operation("relu", {
  forward: (g, { x }: Readonly<Record<"x", Tensor>>) => ({
    outputs: { y: g.maximum(x, g.scalar(0)) },
    keep: undefined
  }),
  backward: (g, { y: dy }, { outputs: { y } }) => ({ x: g.mul(dy, g.cast(g.notEqual(y, g.scalar(0)), "float32")) })
})
