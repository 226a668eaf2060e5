import type { Builder } from "../graph/Builder.ts"
import type { GradientCase } from "./gradientCheck.ts"
import { biasAdd } from "../ops/biasAdd.ts"
import { causalBias } from "../ops/causalBias.ts"
import { conv1d } from "../ops/conv1d.ts"
import { geluTanh } from "../ops/geluTanh.ts"
import { groupedAttention, placedAttention } from "../ops/groupedAttention.ts"
import { lowRank } from "../ops/lowRank.ts"
import { multiply } from "../ops/multiply.ts"
import { patchEmbedding } from "../ops/patchEmbedding.ts"
import { placedPatches } from "../ops/placedPatches.ts"
import { project } from "../ops/project.ts"
import { relativeBias } from "../ops/relativeBias.ts"
import { relu } from "../ops/relu.ts"
import { rmsNorm } from "../ops/rmsNorm.ts"
import { anglesOf, rotary } from "../ops/rotary.ts"
import { scaled } from "../ops/scaled.ts"
import { silu } from "../ops/silu.ts"
import { softCap } from "../ops/softCap.ts"
import { splitThirds } from "../ops/splitThirds.ts"

const sizes = { batch: 2, queries: 3, keys: 3, heads: 4, keyHeads: 2, scale: 0.7 }
const causal = (g: Builder, window: number | null = null) => causalBias(g, g.range(3), 3, window)
const qkv = { q: [6, 8], k: [6, 4], v: [6, 4] }
const picture = (g: Builder) =>
  g.graph.constant(
    "float32",
    [2, 2, 4, 6],
    Array.from({ length: 96 }, (_, i) => Math.sin(i * 1.7))
  )

/** Every operation that other families brought, in the ways in which it can be used. */
export const familyOperationCases: Readonly<Record<string, GradientCase>> = {
  conv1d: {
    inputs: { x: [3, 4], weight: [4, 5], bias: [5] },
    apply: (g, { bias, weight, x }) => conv1d(g, { x: x!, weight: weight!, bias: bias! }).y,
    outputShape: [3, 5]
  },
  project: {
    inputs: { x: [3, 4], weight: [5, 4] },
    apply: (g, { weight, x }) => project(g, { x: x!, weight: weight! }).y,
    outputShape: [3, 5]
  },
  biasAdd: {
    inputs: { x: [3, 4], bias: [4] },
    apply: (g, { bias, x }) => biasAdd(g, { x: x!, bias: bias! }).y,
    outputShape: [3, 4]
  },
  "rmsNorm of whole rows": {
    inputs: { x: [3, 6], weight: [6] },
    apply: (g, { weight, x }) => rmsNorm(g, { x: x!, weight: weight! }, { eps: 1e-6, offset: 0 }).y,
    outputShape: [3, 6]
  },
  "rmsNorm of heads, with an offset": {
    inputs: { x: [2, 8], weight: [4] },
    apply: (g, { weight, x }) => rmsNorm(g, { x: x!, weight: weight! }, { eps: 1e-3, offset: 1 }).y,
    outputShape: [2, 8]
  },
  rotary: {
    inputs: { x: [3, 8] },
    apply: (g, { x }) => rotary(g, { x: x! }, anglesOf(g, g.ints([0, 1, 5]), [1, 0.3])).y,
    outputShape: [3, 8]
  },
  "groupedAttention, causal": {
    inputs: qkv,
    apply: (g, { k, q, v }) => groupedAttention(g, { q: q!, k: k!, v: v! }, { ...sizes, bias: causal(g) }).y,
    outputShape: [6, 8]
  },
  "groupedAttention with window and cap": {
    inputs: qkv,
    apply: (g, { k, q, v }) =>
      groupedAttention(g, { q: q!, k: k!, v: v! }, { ...sizes, bias: causal(g, 2), softCap: 1.5 }).y,
    outputShape: [6, 8]
  },
  "groupedAttention across, with dropout": {
    inputs: { q: [6, 8], k: [4, 4], v: [4, 4] },
    apply: (g, { k, q, v }) => {
      const dropout = { rate: 0.3, seed: g.feed("seed", "int32", [2]), site: 2 }
      const bias = g.graph.constant("float32", [2, 1, 1, 2], [0, 0, 0, -1e9])
      return groupedAttention(g, { q: q!, k: k!, v: v! }, { ...sizes, keys: 2, bias, dropout }).y
    },
    feeds: { seed: Int32Array.of(3, 4) },
    outputShape: [6, 8]
  },
  placedAttention: {
    inputs: { ...qkv, position: [1, 4, 3, 3] },
    apply: (g, { k, position, q, v }) =>
      placedAttention(g, { q: q!, k: k!, v: v!, position: position! }, { ...sizes, scale: 1, bias: causal(g) }).y,
    outputShape: [6, 8]
  },
  "relativeBias, both ways": {
    inputs: { table: [6, 2] },
    apply: (g, { table }) => {
      const options = { places: g.range(5), keys: 5, maxDistance: 4, direction: "both" } as const
      return relativeBias(g, { table: table! }, options).y
    },
    outputShape: [1, 2, 5, 5]
  },
  "relativeBias of one place to the past": {
    inputs: { table: [4, 2] },
    apply: (g, { table }) => {
      const options = { places: g.ints([6]), keys: 8, maxDistance: 5, direction: "past" } as const
      return relativeBias(g, { table: table! }, options).y
    },
    outputShape: [1, 2, 1, 8]
  },
  geluTanh: { inputs: { x: [4, 5] }, apply: (g, { x }) => geluTanh(g, { x: x! }).y, outputShape: [4, 5] },
  relu: { inputs: { x: [4, 5] }, apply: (g, { x }) => relu(g, { x: x! }).y, outputShape: [4, 5] },
  silu: { inputs: { x: [4, 5] }, apply: (g, { x }) => silu(g, { x: x! }).y, outputShape: [4, 5] },
  softCap: { inputs: { x: [4, 5] }, apply: (g, { x }) => softCap(g, { x: x! }, { cap: 1.3 }).y, outputShape: [4, 5] },
  scaled: { inputs: { x: [2, 3] }, apply: (g, { x }) => scaled(g, { x: x! }, { by: -2.5 }).y, outputShape: [2, 3] },
  "multiply, one operand twice": {
    inputs: { a: [3, 2], b: [3, 2] },
    apply: (g, { a, b }) => multiply(g, { a: multiply(g, { a: a!, b: b! }).y, b: a! }).y,
    outputShape: [3, 2]
  },
  splitThirds: {
    inputs: { x: [3, 6] },
    apply: (g, { x }) => {
      const { k, q, v } = splitThirds(g, { x: x! })
      return multiply(g, { a: multiply(g, { a: q, b: k }).y, b: v }).y
    },
    outputShape: [3, 2]
  },
  lowRank: {
    inputs: { y: [3, 5], x: [3, 4], a: [2, 4], b: [5, 2] },
    apply: (g, { a, b, x, y }) => lowRank(g, { y: y!, x: x!, a: a!, b: b! }, { scale: 0.5 }).sum,
    outputShape: [3, 5]
  },
  patchEmbedding: {
    inputs: { weight: [3, 2, 2, 2], bias: [3] },
    apply: (g, { bias, weight }) => patchEmbedding(g, { weight: weight!, bias: bias! }, { pixels: picture(g) }).y,
    outputShape: [12, 3]
  },
  placedPatches: {
    inputs: { x: [4, 3], token: [1, 1, 3], positions: [1, 3, 3] },
    apply: (g, { positions, token, x }) =>
      placedPatches(g, { x: x!, token: token!, positions: positions! }, { batch: 2 }).y,
    outputShape: [6, 3]
  }
}
