import { operation } from "../autodiff.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * y = x w + b, with the weight stored inputs first.
 *
 * Source: transformers' `Conv1D`, the dense layer of GPT-2. Golden: tiny-families/gpt2.
 *
 * @param x float32 [N, I]
 * @param weight float32 [I, O]
 * @param bias float32 [O]
 * @returns y float32 [N, O]
 */
export const conv1d = operation("conv1d", {
  forward: (g, { bias, weight, x }: Readonly<Record<"x" | "weight" | "bias", Tensor>>) => ({
    outputs: { y: g.biasAdd(g.matmul(x, weight), bias) },
    keep: undefined
  }),
  backward: (g, { y: dy }, { inputs: { weight, x }, wants }) => ({
    x: () => g.matmul(dy, weight, false, true),
    weight: wants("weight") ? g.matmul(x, dy, true, false) : undefined,
    bias: wants("bias") ? g.biasAddGrad(dy) : undefined
  })
})
