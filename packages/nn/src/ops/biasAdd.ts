import { operation } from "../autodiff.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * A vector added to every row.
 *
 * Golden: tiny-families/bert-mlm, whose head has a bias but shares its matrix.
 *
 * @param x float32 [N, C]
 * @param bias float32 [C]
 * @returns y float32 [N, C]
 */
export const biasAdd = operation("biasAdd", {
  forward: (g, { bias, x }: Readonly<Record<"x" | "bias", Tensor>>) => ({
    outputs: { y: g.biasAdd(x, bias) },
    keep: undefined
  }),
  backward: (g, { y: dy }, { wants }) => ({ x: dy, bias: wants("bias") ? g.biasAddGrad(dy) : undefined })
})
