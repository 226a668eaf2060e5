import { operation } from "../autodiff.ts"
import { product } from "../graph/dims.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * A picture cut into squares, and each of these through one dense layer: a convolution whose stride is its size, written as reshape
 * and matrix product.
 *
 * Source: Dosovitskiy et al. (2021), 3.1; `ViTPatchEmbeddings`. Golden: tiny-families/vit.
 *
 * @param weight float32 [C, channels, P, P]
 * @param bias float32 [C]
 * @param options.pixels float32 [B, channels, height, width], both sizes multiples of P; not differentiated
 * @returns y float32 [B*N, C], row by row
 */
export const patchEmbedding = operation("patchEmbedding", {
  forward: (
    g,
    { bias, weight }: Readonly<Record<"weight" | "bias", Tensor>>,
    { pixels }: { readonly pixels: Tensor }
  ) => {
    const [batch, channels, height, width] = pixels.shape
    const [outputs, , size] = weight.shape as ReadonlyArray<number>
    const down = Number(height) / size!
    const along = Number(width) / size!
    const cut = g.reshape(pixels, [batch!, channels!, down, size!, along, size!])
    const inputs = Number(channels) * size! * size!
    const patches = g.reshape(g.transpose(cut, [0, 2, 4, 1, 3, 5]), [product([batch!, down * along]), inputs])
    const flat = g.reshape(weight, [outputs!, inputs])
    return { outputs: { y: g.biasAdd(g.matmul(patches, flat, false, true), bias) }, keep: { patches } }
  },
  backward: (g, { y: dy }, { inputs: { weight }, keep: { patches }, wants }) => ({
    weight: wants("weight") ? g.reshape(g.matmul(dy, patches, true, false), weight.shape) : undefined,
    bias: wants("bias") ? g.biasAddGrad(dy) : undefined
  })
})

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
    { batch }: { readonly batch: Tensor["shape"][number] }
  ) => {
    const [, count, width] = positions.shape as ReadonlyArray<number>
    const first = g.add(token, g.fill([batch, 1, width!], 0))
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
