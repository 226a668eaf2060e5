import { readdirSync, readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import type { Builder } from "../graph/Builder.ts"
import { fastestEngine, nativeEngines, openForTest } from "../testing/engines.ts"
import { checkAgainstReference, checkGradients, checkInDouble, type GradientCase } from "../testing/gradientCheck.ts"
import { add } from "./add.ts"
import { attention } from "./attention.ts"
import { dropout } from "./dropout.ts"
import { addFirstRow, addFirstRows, embedding } from "./embedding.ts"
import { gelu } from "./gelu.ts"
import { layerNorm } from "./layerNorm.ts"
import { linear } from "./linear.ts"
import { clsToken, maskedMean } from "./pooling.ts"
import { objectiveLoss } from "./objective.ts"
import { tanh } from "./tanh.ts"

const mask = (g: Builder) => g.graph.constant("float32", [2, 3], [1, 1, 1, 1, 1, 0])
const bias = (g: Builder) => g.graph.constant("float32", [2, 1, 1, 3], [0, 0, 0, 0, 0, -1e9])
const rows = { batch: 2, length: 3 }

const cases: Readonly<Record<string, GradientCase>> = {
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

describe("derivatives are their functions', in double precision", () => {
  it.each(Object.entries(cases))("%s", (_, check) => checkInDouble(check))
})

// `cpu` is the interpreter on plain JavaScript, an implementation apart from TensorFlow's.
describe.each([...new Set([fastestEngine, "wasm" as const, "cpu" as const])])(
  "gradients agree with finite differences on %s",
  (engine) => {
    it.each(Object.entries(cases))("%s", async (_, check) => checkGradients(await openForTest(engine), check))
  }
)

// What the reference gives is its functions' derivative, as tested above.
describe.each(nativeEngines.filter((engine) => engine !== fastestEngine))(
  "operations and their derivatives on %s are those of the reference",
  (engine) => {
    it.each(Object.entries(cases))("%s", async (_, check) => checkAgainstReference(await openForTest(engine), check))
  }
)

it("every operation has its derivative tested", () => {
  const here = new URL("./", import.meta.url)
  const files = readdirSync(here).map((name) => ({ name, text: readFileSync(new URL(name, here), "utf8") }))
  const tests = files.filter(({ name }) => name.endsWith(".test.ts")).map(({ text }) => text)
  const operations = files.flatMap(({ text }) =>
    [...text.matchAll(/export const (\w+) = operation\(/g)].map(([, name]) => name!)
  )
  expect(operations.length).toBeGreaterThan(25)
  expect(operations.filter((name) => !tests.some((text) => text.includes(`${name}(g`)))).toEqual([])
})
