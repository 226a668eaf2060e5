import { readFileSync } from "node:fs"
import { expect, it } from "vitest"
import { parseBertConfig } from "../models/bert/config.ts"
import { classifierProgram, defaultAdamW } from "../train/classifier.ts"
import { drawScope, printFunction } from "./draw.ts"

const program = classifierProgram({
  config: parseBertConfig({ model_type: "bert", hidden_size: 384, num_hidden_layers: 6, intermediate_size: 1536 }),
  head: { pooling: "mean", labels: 2 },
  trainable: (name) => /^encoder\.layer\.[45]\.|^classifier\./.test(name),
  dropout: { hidden: 0, attention: 0 },
  optimizer: defaultAdamW,
  max_grad_norm: 1
})

it("the block that docs/engine.md shows is the one that is built", () => {
  const page = readFileSync(new URL("../../../../docs/engine.md", import.meta.url), "utf8")
  expect(page).toContain(`\`\`\`mermaid\n${drawScope(program, "train", "train/encoder.layer.4")}\n\`\`\``)
})

it("a function is printed with the shapes of its values, a block's derivative under the block's name", () => {
  const lines = printFunction(program, "train").split("\n")
  expect(lines).toContain("train/labels = Placeholder(): int32 [batch]")
  expect(lines.find((line) => line.startsWith("train/encoder.layer.5/linear_4/MatMul = "))).toContain(
    "train/read/encoder.layer.5.intermediate.dense.weight): float32 [batch*length, 1536]"
  )
  expect(lines.some((line) => line.startsWith("train/encoder.layer.4/linear_4_gradient/"))).toBe(true)
  expect(lines.some((line) => line.startsWith("train/encoder.layer.3/") && line.includes("_gradient"))).toBe(false)
})

it("a scope that is not there is named", () => {
  expect(() => drawScope(program, "train", "train/encoder.layer.9")).toThrow(
    'train has no scope "train/encoder.layer.9"'
  )
})
