import { operation } from "../autodiff.ts"
import type { Builder } from "../graph/Builder.ts"
import { type Dim, product } from "../graph/dims.ts"
import type { Tensor } from "../graph/Graph.ts"

export interface RelativeBiasOptions {
  /** int32 [T]: where each query stands among the keys. */
  readonly places: Tensor
  /** S */
  readonly keys: Dim
  /** Distances beyond this share a bucket. */
  readonly maxDistance: number
  /** Whether keys behind a query have buckets of their own, or all share that of distance 0. */
  readonly direction: "both" | "past"
}

/**
 * The bucket of each distance key - query from -maxDistance to maxDistance: small distances have one each, larger ones share
 * buckets that grow with the logarithm.
 *
 * Source: transformers' `T5Attention._relative_position_bucket`, in float32 as there, since a rounding decides where buckets meet.
 */
export function bucketsOf(buckets: number, maxDistance: number, direction: "both" | "past"): Array<number> {
  const half = direction === "both" ? Math.floor(buckets / 2) : buckets
  const exact = Math.floor(half / 2)
  const { fround } = Math
  const bucketOf = (distance: number): number => {
    if (distance < exact) return distance
    const share = fround(fround(Math.log(fround(distance / exact))) / fround(Math.log(maxDistance / exact)))
    return Math.min(exact + Math.trunc(fround(share * (half - exact))), half - 1)
  }
  return Array.from({ length: 2 * maxDistance + 1 }, (_, i) => {
    const distance = i - maxDistance
    if (direction === "past") return bucketOf(Math.max(-distance, 0))
    return (distance > 0 ? half : 0) + bucketOf(Math.abs(distance))
  })
}

/** int32 [T*S] */
function indicesOf(g: Builder, buckets: number, { direction, keys, maxDistance, places }: RelativeBiasOptions): Tensor {
  const queries = places.shape[0]!
  const distance = g.sub(g.reshape(g.range(keys), [1, keys]), g.reshape(places, [queries, 1]))
  const held = g.minimum(g.maximum(distance, g.int(-maxDistance)), g.int(maxDistance))
  const at = g.reshape(g.add(held, g.int(maxDistance)), [product([queries, keys])])
  return g.gather(g.ints(bucketsOf(buckets, maxDistance, direction)), at)
}

/**
 * A learnt number for each head and each bucket of distances between query and key.
 *
 * Source: Raffel et al. (2020), T5, 2.1. Golden: tiny-families/t5.
 *
 * @param table float32 [buckets, H]
 * @returns y float32 [1, H, T, S]
 */
export const relativeBias = operation("relativeBias", {
  forward: (g, { table }: Readonly<Record<"table", Tensor>>, options: RelativeBiasOptions) => {
    const indices = indicesOf(g, Number(table.shape[0]), options)
    const heads = table.shape[1]!
    const shape = [options.places.shape[0]!, options.keys, heads]
    const headed = g.transpose(g.reshape(g.gather(table, indices), shape), [2, 0, 1])
    return { outputs: { y: g.reshape(headed, [1, ...headed.shape]) }, keep: { indices } }
  },
  backward: (g, { y: dy }, { inputs: { table }, keep: { indices } }) => {
    const [, heads, queries, keys] = dy.shape
    const last = g.transpose(g.reshape(dy, [heads!, queries!, keys!]), [1, 2, 0])
    return { table: g.segmentSum(g.reshape(last, [indices.shape[0]!, heads!]), indices, Number(table.shape[0])) }
  }
})
