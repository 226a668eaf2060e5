import type { Builder } from "../graph/Builder.ts"
import type { Dim } from "../graph/dims.ts"
import type { Tensor } from "../graph/Graph.ts"

/** Far below any score, and still a number when two of them are added. */
export const UNSEEN = 1e9

/** 0 where `seen` is 1, very negative where it is 0. */
export const biasOf = (g: Builder, seen: Tensor): Tensor => g.mul(g.sub(seen, g.scalar(1)), g.scalar(UNSEEN))

/**
 * Which keys each query sees: those at its own place and before it, and of them no more than `window` where there is one.
 *
 * Source: the causal and the sliding mask of transformers (`key > query - window`). Golden: tiny-families/mistral, gemma2.
 *
 * @param places int32 [T]: where in a row of keys each query stands
 * @param keys S
 * @returns float32 [1, 1, T, S], to be added to scores
 */
export const causalBias = (g: Builder, places: Tensor, keys: Dim, window: number | null): Tensor =>
  causalBiasOf(g, places, g.range(keys), window)

/** The same for keys at places of their own. @param keys int32 [S] */
export function causalBiasOf(g: Builder, places: Tensor, keys: Tensor, window: number | null): Tensor {
  const [queryCount, keyCount] = [places.shape[0]!, keys.shape[0]!]
  const query = g.reshape(places, [queryCount, 1])
  const key = g.reshape(keys, [1, keyCount])
  const before = g.cast(g.greaterEqual(query, key), "float32")
  const near = (size: number) => g.cast(g.greaterEqual(g.add(key, g.int(size - 1)), query), "float32")
  return g.reshape(biasOf(g, window === null ? before : g.mul(before, near(window))), [1, 1, queryCount, keyCount])
}
