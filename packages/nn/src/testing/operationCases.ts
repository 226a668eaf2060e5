import type { Builder } from "../graph/Builder.ts"
import type { GradientCase } from "./gradientCheck.ts"
import { add } from "../ops/add.ts"
import { attention } from "../ops/attention.ts"
import { dropout } from "../ops/dropout.ts"
import { addFirstRow, addFirstRows, embedding } from "../ops/embedding.ts"
import { gelu } from "../ops/gelu.ts"
import { layerNorm } from "../ops/layerNorm.ts"
import { linear } from "../ops/linear.ts"
import { clsToken, maskedMean } from "../ops/pooling.ts"
import { objectiveLoss } from "../ops/objective.ts"
import { tanh } from "../ops/tanh.ts"

const mask = (g: Builder) => g.graph.constant("float32", [2, 3], [1, 1, 1, 1, 1, 0])
const bias = (g: Builder) => g.graph.constant("float32", [2, 1, 1, 3], [0, 0, 0, 0, 0, -1e9])
const rows = { batch: 2, length: 3 }

/** Every operation of encoders and classifiers, in the ways in which it can be used. */
export const operationCases: Readonly<Record<string, GradientCase>> = {
  linear: {
    inputs: { x: [3, 4], weight: [5, 4], bias: [5] },
    apply: (g, { bias: b, weight, x }) => linear(g, { x: x!, weight: weight!, bias: b! }).y,
    outputShape: [3, 5]
  },
  layerNorm: {
    inputs: { x: [3, 6], weight: [6], bias: [6] },
    apply: (g, { bias: b, weight, x }) => layerNorm(g, { x: x!, weight: weight!, bias: b! }, { eps: 1e-5 }).y,
    outputShape: [3, 6]
  },
  gelu: { inputs: { x: [4, 5] }, apply: (g, { x }) => gelu(g, { x: x! }).y, outputShape: [4, 5] },
  tanh: { inputs: { x: [4, 5] }, apply: (g, { x }) => tanh(g, { x: x! }).y, outputShape: [4, 5] },
  "add, one operand twice": {
    inputs: { a: [3, 2], b: [3, 2] },
    apply: (g, { a, b }) => add(g, { a: add(g, { a: a!, b: b! }).y, b: a! }).y,
    outputShape: [3, 2]
  },
  "attention with padding": {
    inputs: { q: [6, 4], k: [6, 4], v: [6, 4] },
    apply: (g, { k, q, v }) => attention(g, { q: q!, k: k!, v: v! }, { heads: 2, bias: bias(g) }).y,
    outputShape: [6, 4]
  },
  "attention with dropout": {
    inputs: { q: [6, 4], k: [6, 4], v: [6, 4] },
    apply: (g, { k, q, v }) => {
      const site = { rate: 0.4, seed: g.feed("seed", "int32", [2]), site: 3 }
      return attention(g, { q: q!, k: k!, v: v! }, { heads: 2, bias: bias(g), dropout: site }).y
    },
    feeds: { seed: Int32Array.of(5, 6) },
    outputShape: [6, 4]
  },
  dropout: {
    inputs: { x: [4, 6] },
    apply: (g, { x }) => dropout(g, { x: x! }, { rate: 0.5, seed: g.feed("seed", "int32", [2]), site: 1 }).y,
    feeds: { seed: Int32Array.of(1, 2) },
    outputShape: [4, 6]
  },
  "embedding, one row twice and one never": {
    inputs: { table: [4, 3] },
    apply: (g, { table }) => embedding(g, { table: table! }, { indices: g.ints([2, 0, 2]) }).y,
    outputShape: [3, 3]
  },
  "addFirstRows with a table longer than the text": {
    inputs: { x: [6, 2], table: [5, 2] },
    apply: (g, { table, x }) => addFirstRows(g, { x: x!, table: table! }, rows).y,
    outputShape: [6, 2]
  },
  addFirstRow: {
    inputs: { x: [4, 3], table: [2, 3] },
    apply: (g, { table, x }) => addFirstRow(g, { x: x!, table: table! }).y,
    outputShape: [4, 3]
  },
  clsToken: { inputs: { x: [6, 3] }, apply: (g, { x }) => clsToken(g, { x: x! }, rows).y, outputShape: [2, 3] },
  maskedMean: {
    inputs: { x: [6, 3] },
    apply: (g, { x }) => maskedMean(g, { x: x! }, { mask: mask(g) }).y,
    outputShape: [2, 3]
  },
  "cross-entropy with an ignored row": {
    inputs: { logits: [4, 3] },
    apply: (g, { logits }) =>
      objectiveLoss(
        g,
        { logits: logits! },
        { labels: g.ints([2, -100, 0, 1]), count: g.scalar(3), objective: { kind: "cross_entropy" } }
      ).loss,
    outputShape: []
  }
}
