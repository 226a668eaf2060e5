import type { Builder } from "../graph/Builder.ts"
import { product } from "../graph/dims.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * How many real tokens stand before each token and at it: 1, 2, 3, ... along a row, standing still over padding on either side.
 *
 * Exact in float32 for rows below 2^24 tokens. Nothing to differentiate.
 *
 * @param mask float32 [B, T]: 1 for a token, 0 for padding
 * @returns float32 [B, T]
 */
export const countedTokens = (g: Builder, mask: Tensor): Tensor => g.cumsum(mask)

/**
 * Positions that count from 0 at each row's first real token. Padding in front of it stands at 0; padding behind counts on.
 *
 * Source: `position_ids` of transformers: those of `generate` under left padding, and plain places under right padding.
 *
 * @param mask float32 [B, T]
 * @returns int32 [B*T]
 */
export function countedPositions(g: Builder, mask: Tensor): Tensor {
  const begun = g.minimum(countedTokens(g, mask), g.scalar(1))
  const leading = g.sum(g.sub(g.scalar(1), begun), [1], true)
  const place = g.reshape(g.cast(g.range(mask.shape[1]!), "float32"), [1, mask.shape[1]!])
  const positions = g.maximum(g.sub(place, leading), g.scalar(0))
  return g.cast(g.reshape(positions, [product(mask.shape)]), "int32")
}
