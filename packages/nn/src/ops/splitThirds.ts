import { operation } from "../autodiff.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * The three equal thirds of each row: queries, keys and values that one product made.
 *
 * Golden: tiny-families/gpt2.
 *
 * @param x float32 [N, 3C]
 * @returns q, k, v, each float32 [N, C]
 */
export const splitThirds = operation("splitThirds", {
  forward: (g, { x }: Readonly<Record<"x", Tensor>>) => {
    const rows = x.shape[0]!
    const width = Number(x.shape[1]) / 3
    const third = (index: number) => g.slice(x, [0, index * width], [rows, width])
    return { outputs: { q: third(0), k: third(1), v: third(2) }, keep: undefined }
  },
  backward: (g, { k, q, v }) => ({ x: g.concat([q, k, v], 1) })
})
