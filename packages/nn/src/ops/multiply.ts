import { operation } from "../autodiff.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * The product of two tensors of one shape, element by element: what a gate lets through.
 *
 * Golden: tiny-families/llama-tied, t5-gated.
 *
 * @param a float32 of any shape
 * @param b float32 of the same shape
 * @returns y float32 of the same shape
 */
export const multiply = operation("multiply", {
  forward: (g, { a, b }: Readonly<Record<"a" | "b", Tensor>>) => {
    if (a.shape.join() !== b.shape.join())
      throw new Error(`multiply: [${a.shape.join(", ")}] and [${b.shape.join(", ")}] differ`)
    return { outputs: { y: g.mul(a, b) }, keep: undefined }
  },
  backward: (g, { y: dy }, { inputs: { a, b }, wants }) => ({
    a: wants("a") ? g.mul(dy, b) : undefined,
    b: wants("b") ? g.mul(dy, a) : undefined
  })
})
