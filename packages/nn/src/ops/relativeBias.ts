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

/** Buckets of a table, and how distances fall into them. */
type Buckets = Pick<RelativeBiasOptions, "maxDistance" | "direction"> & { readonly count: number }

/** The bucket of each query and key, int32 [T*S]. @param places int32 [T] @param keys int32 [S]: where they stand */
export function bucketIndices(g: Builder, places: Tensor, keys: Tensor, buckets: Buckets): Tensor {
  const { count, direction, maxDistance } = buckets
  const [queryCount, keyCount] = [places.shape[0]!, keys.shape[0]!]
  const distance = g.sub(g.reshape(keys, [1, keyCount]), g.reshape(places, [queryCount, 1]))
  const held = g.minimum(g.maximum(distance, g.int(-maxDistance)), g.int(maxDistance))
  const at = g.reshape(g.add(held, g.int(maxDistance)), [product([queryCount, keyCount])])
  return g.gather(g.ints(bucketsOf(count, maxDistance, direction)), at)
}

/** What a table says of queries and keys, float32 [1, H, T, S]. @param indices int32 [T*S] */
export function biasOfBuckets(g: Builder, table: Tensor, indices: Tensor, queries: Dim, keys: Dim): Tensor {
  const shape = [queries, keys, table.shape[1]!]
  const headed = g.transpose(g.reshape(g.gather(table, indices), shape), [2, 0, 1])
  return g.reshape(headed, [1, ...headed.shape])
}

/** The way back to the table. @param dy float32 [1, H, T, S] */
export function gradientOfBuckets(g: Builder, dy: Tensor, indices: Tensor, count: number): Tensor {
  const [, heads, queries, keys] = dy.shape
  const last = g.transpose(g.reshape(dy, [heads!, queries!, keys!]), [1, 2, 0])
  return g.segmentSum(g.reshape(last, [indices.shape[0]!, heads!]), indices, count)
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
  forward: (g, { table }: Readonly<Record<"table", Tensor>>, { keys, places, ...how }: RelativeBiasOptions) => {
    const indices = bucketIndices(g, places, g.range(keys), { ...how, count: Number(table.shape[0]) })
    return { outputs: { y: biasOfBuckets(g, table, indices, places.shape[0]!, keys) }, keep: { indices } }
  },
  backward: (g, { y: dy }, { inputs: { table }, keep: { indices } }) => ({
    table: gradientOfBuckets(g, dy, indices, Number(table.shape[0]))
  })
})
