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
