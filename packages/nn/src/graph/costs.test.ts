import { describe, expect, it } from "vitest"
import { parseBertConfig } from "../models/bert/config.ts"
import { classifierProgram, defaultAdamW } from "../train/classifier.ts"
import { costsOf } from "./costs.ts"

/** The shape of all-MiniLM-L6-v2. */
const config = parseBertConfig({
  model_type: "bert",
  hidden_size: 384,
  num_hidden_layers: 6,
  num_attention_heads: 12,
  intermediate_size: 1536
})
const program = (trainable: (name: string) => boolean) =>
  classifierProgram({
    config,
    head: { pooling: "pooler", labels: 2 },
    trainable,
    dropout: { hidden: 0, attention: 0 },
    optimizer: defaultAdamW,
    max_grad_norm: 1
  })

const [B, T, C, F, L] = [16, 64, 384, 1536, 6]
const sizes = { batch: B, length: T }
/** Products of one block by hand: four C x C layers, two C x F layers, scores and their use. */
const block = 2 * B * T * (4 * C * C + 2 * C * F) + 2 * 2 * B * T * T * C
/** Of attention's scores, which are computed again on the way back. */
const scores = 2 * B * T * T * C
const head = 2 * B * C * C + 2 * B * C * 2

describe("costs", () => {
  const all = program(() => true)

  it("count the products of a forward pass as by hand", () => {
    expect(costsOf(all, "eval", sizes).matmulFlops).toBe(L * block + head)
  })

  it("count the backward pass of everything as twice the forward pass, and the scores once more", () => {
    expect(costsOf(all, "train", sizes).matmulFlops).toBe(3 * (L * block + head) + L * scores)
  })

  it("count forward only below what trains: no gradient passes into a frozen prefix", () => {
    const top = program((name) => /^encoder\.layer\.[45]\.|^pooler|^classifier/.test(name))
    const dxOfQkv = 2 * B * T * 3 * C * C // the lowest trained block passes nothing down
    expect(costsOf(top, "train", sizes).matmulFlops).toBe(
      L * block + head + 2 * (2 * block + head) + 2 * scores - dxOfQkv
    )
  })

  it("count weights, and in training two moments of each", () => {
    const { variableBytes } = costsOf(all, "eval", sizes)
    expect(variableBytes).toBe(4 * (22_713_216 + 2 * C + 2))
    expect(costsOf(all, "train", sizes).variableBytes).toBe(3 * variableBytes)
  })

  it("grow in memory with the batch, and need more for training than for evaluation", () => {
    const large = costsOf(all, "train", sizes)
    expect(costsOf(all, "train", { batch: 2 * B, length: T }).peakBytes).toBeGreaterThan(1.3 * large.peakBytes)
    expect(large.peakBytes).toBeGreaterThan(3 * costsOf(all, "eval", sizes).peakBytes)
  })
})
