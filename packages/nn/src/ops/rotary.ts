import { operation } from "../autodiff.ts"
import type { Builder } from "../graph/Builder.ts"
import type { Tensor } from "../graph/Graph.ts"

/** Cosines and sines of each token's angles, float32 [N, 1, D/2]. */
export interface Angles {
  readonly cos: Tensor
  readonly sin: Tensor
}

/**
 * Angles of tokens at their positions.
 *
 * @param positions int32 [N]
 * @param frequencies radians a position for each of D/2 pairs
 */
export function anglesOf(g: Builder, positions: Tensor, frequencies: ReadonlyArray<number>): Angles {
  const rows = positions.shape[0]!
  const table = g.graph.constant("float32", [1, 1, frequencies.length], frequencies)
  const angles = g.mul(g.reshape(g.cast(positions, "float32"), [rows, 1, 1]), table)
  return { cos: g.cos(angles), sin: g.sin(angles) }
}

function turn(g: Builder, x: Tensor, { cos, sin }: Angles, inverse: "" | "inverse"): Tensor {
  const rows = x.shape[0]!
  const half = Number(cos.shape[2])
  const heads = Number(x.shape[1]) / (2 * half)
  const split = g.reshape(x, [rows, heads, 2 * half])
  const first = g.slice(split, [0, 0, 0], [rows, heads, half])
  const second = g.slice(split, [0, 0, half], [rows, heads, half])
  const left = inverse === "" ? g.sub : g.add
  const right = inverse === "" ? g.add : g.sub
  const turned = [left(g.mul(first, cos), g.mul(second, sin)), right(g.mul(second, cos), g.mul(first, sin))]
  return g.reshape(g.concat(turned, 2), x.shape)
}

/**
 * Each head's first half and second half taken as coordinates of D/2 points, which are turned by the token's angles.
 *
 * Source: Su et al. (2021), in the half-split form of transformers' `apply_rotary_pos_emb`. Golden: tiny-families/llama-tied.
 *
 * @param x float32 [N, H*D]
 * @returns y float32 [N, H*D]
 */
export const rotary = operation("rotary", {
  forward: (g, { x }: Readonly<Record<"x", Tensor>>, angles: Angles) => ({
    outputs: { y: turn(g, x, angles, "") },
    keep: undefined
  }),
  backward: (g, { y: dy }, _, angles) => ({ x: turn(g, dy, angles, "inverse") })
})
