import { operation } from "../autodiff.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * y = x w^T + b, with the weight as PyTorch stores it.
 *
 * Source: `torch.nn.Linear`.
 *
 * @param x float32 [N, I]
 * @param weight float32 [O, I]
 * @param bias float32 [O]
 * @returns y float32 [N, O]
 */
export const linear = operation("linear", {
  forward: (g, { bias, weight, x }: Readonly<Record<"x" | "weight" | "bias", Tensor>>) => ({
    outputs: { y: g.biasAdd(g.matmul(x, weight, false, true), bias) },
    keep: undefined
  }),
  backward: (g, { y: dy }, { inputs: { weight, x }, wants }) => ({
    x: () => g.matmul(dy, weight),
    weight: wants("weight") ? g.matmul(dy, x, true, false) : undefined,
    bias: wants("bias") ? g.biasAddGrad(dy) : undefined
  })
})
