import { operation } from "../autodiff.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * The sum of two tensors of one shape: a residual connection.
 *
 * @param a float32 of any shape
 * @param b float32 of the same shape
 * @returns y float32 of the same shape
 */
export const add = operation("add", {
  forward: (g, { a, b }: Readonly<Record<"a" | "b", Tensor>>) => {
    if (a.shape.join() !== b.shape.join())
      throw new Error(`add: [${a.shape.join(", ")}] and [${b.shape.join(", ")}] differ`)
    return { outputs: { y: g.add(a, b) }, keep: undefined }
  },
  backward: (_, { y: dy }) => ({ a: dy, b: dy })
})
