import { operation } from "../autodiff.ts"
import type { Builder } from "../graph/Builder.ts"
import { type Dim, product, type Shape } from "../graph/dims.ts"
import type { Tensor } from "../graph/Graph.ts"

const zeros = (g: Builder, shape: Shape): Tensor => g.fill(shape, 0)

/**
 * A learnt token in front of each row's patches, and learnt positions on all.
 *
 * Source: Dosovitskiy et al. (2021), 3.1. Golden: tiny-families/vit.
 *
 * @param x float32 [B*N, C]
 * @param token float32 [1, 1, C]
 * @param positions float32 [1, N+1, C]
 * @returns y float32 [B*(N+1), C]
 */
export const placedPatches = operation("placedPatches", {
  forward: (
    g,
    { positions, token, x }: Readonly<Record<"x" | "token" | "positions", Tensor>>,
    { batch }: { readonly batch: Dim }
  ) => {
    const [, count, width] = positions.shape as ReadonlyArray<number>
    const first = g.add(token, zeros(g, [batch, 1, width!]))
    const rows = g.add(g.concat([first, g.reshape(x, [batch, count! - 1, width!])], 1), positions)
    return { outputs: { y: g.reshape(rows, [product([batch, count!]), width!]) }, keep: undefined }
  },
  backward: (g, { y }, { inputs: { positions, x }, wants }, { batch }) => {
    const [, count, width] = positions.shape as ReadonlyArray<number>
    const dy = g.reshape(y, [batch, count!, width!])
    const patches = () => g.reshape(g.slice(dy, [0, 1, 0], [batch, count! - 1, width!]), x.shape)
    return {
      x: wants("x") ? patches() : undefined,
      token: wants("token") ? g.sum(g.slice(dy, [0, 0, 0], [batch, 1, width!]), [0], true) : undefined,
      positions: wants("positions") ? g.sum(dy, [0], true) : undefined
    }
  }
})
