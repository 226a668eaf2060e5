import { operation } from "../autodiff.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * y = x w^T: a dense layer without bias, or a head tied to an embedding table.
 *
 * Source: `torch.nn.Linear(bias=False)`. Golden: tiny-families/llama-tied, t5.
 *
 * @param x float32 [N, I]
 * @param weight float32 [O, I]
 * @returns y float32 [N, O]
 */
export const project = operation("project", {
  forward: (g, { weight, x }: Readonly<Record<"x" | "weight", Tensor>>) => ({
    outputs: { y: g.matmul(x, weight, false, true) },
    keep: undefined
  }),
  backward: (g, { y: dy }, { inputs: { weight, x }, wants }) => ({
    x: () => g.matmul(dy, weight),
    weight: wants("weight") ? g.matmul(dy, x, true, false) : undefined
  })
})
