import { operation } from "../autodiff.ts"
import type { Tensor } from "../graph/Graph.ts"

/**
 * What a dense layer gives, and a product of low rank on its input beside it: y + scale (x a^T) b^T.
 *
 * Source: Hu et al. (2021), LoRA; peft's `lora.Linear`. Golden: lora-goldens.json of tiny-families/bert, gpt2, llama-untied, t5.
 *
 * @param y float32 [N, O]
 * @param x float32 [N, I]
 * @param a float32 [R, I]
 * @param b float32 [O, R]
 * @returns sum float32 [N, O]
 */
export const lowRank = operation("lowRank", {
  forward: (
    g,
    { a, b, x, y }: Readonly<Record<"y" | "x" | "a" | "b", Tensor>>,
    { scale }: { readonly scale: number }
  ) => {
    const narrow = g.mul(g.matmul(x, a, false, true), g.scalar(scale))
    return { outputs: { sum: g.add(y, g.matmul(narrow, b, false, true)) }, keep: { narrow } }
  },
  backward: (g, { sum: dy }, { inputs: { a, b, x }, keep: { narrow }, wants }, { scale }) => {
    const dNarrow = wants("x") || wants("a") ? g.mul(g.matmul(dy, b), g.scalar(scale)) : undefined
    return {
      y: dy,
      x: dNarrow && (() => g.matmul(dNarrow, a)),
      a: dNarrow && wants("a") ? g.matmul(dNarrow, x, true, false) : undefined,
      b: wants("b") ? g.matmul(dy, narrow, true, false) : undefined
    }
  }
})
