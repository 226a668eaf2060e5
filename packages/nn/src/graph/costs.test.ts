import { describe, expect, it } from "vitest"
import { parseBertConfig } from "../models/bert/config.ts"
import { parseGpt2Config } from "../models/gpt2/config.ts"
import { gpt2 } from "../models/gpt2/gpt2.ts"
import { parseLlamaConfig } from "../models/llama/config.ts"
import { llama } from "../models/llama/llama.ts"
import { parseVitConfig } from "../models/vit/config.ts"
import { vitForImages } from "../models/vit/vit.ts"
import type { Network } from "../network/Network.ts"
import { trainingProgram } from "../network/training.ts"
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

/** A training in which everything trains. */
const whole = (network: Network) =>
  trainingProgram({ network, trainable: () => true, optimizer: defaultAdamW, max_grad_norm: 1 })

describe("products of other families are those counted by hand", () => {
  it("GPT-2 small: 12 blocks, logits by the table of its tokens", () => {
    const [B, T, C, L, V] = [2, 256, 768, 12, 50257]
    const scores = 2 * B * T * T * C
    const block = 2 * B * T * (3 * C * C + C * C + 8 * C * C) + 2 * scores
    const forward = L * block + 2 * B * T * C * V
    const program = whole(gpt2(parseGpt2Config({ model_type: "gpt2" })))
    expect(costsOf(program, "predict", { batch: B, length: T }).matmulFlops).toBe(forward)
    // Every product has two in its derivative: one for each of its factors. Scores are computed once more there.
    expect(costsOf(program, "train", { batch: B, length: T }).matmulFlops).toBe(3 * forward + L * scores)
  })

  it("a Llama of SmolLM2-135M's shape: keys and values of 3 heads for 9, a gated FFN", () => {
    const [B, T, C, F, L, V, heads, shared] = [1, 512, 576, 1536, 30, 49152, 9, 3]
    const width = C / heads
    const projections = 2 * C * C + 2 * C * shared * width
    const scores = 2 * B * T * T * C
    const block = 2 * B * T * (projections + 3 * C * F) + 2 * scores
    const forward = L * block + 2 * B * T * C * V
    const config = parseLlamaConfig({
      model_type: "llama",
      vocab_size: V,
      hidden_size: C,
      intermediate_size: F,
      num_hidden_layers: L,
      num_attention_heads: heads,
      num_key_value_heads: shared,
      max_position_embeddings: 8192,
      rms_norm_eps: 1e-5,
      tie_word_embeddings: true
    })
    const program = whole(llama(config))
    expect(costsOf(program, "predict", { batch: B, length: T }).matmulFlops).toBe(forward)
    expect(costsOf(program, "train", { batch: B, length: T }).matmulFlops).toBe(3 * forward + L * scores)
  })

  it("ViT-S/14: 256 patches and a class token, and no gradient into pixels", () => {
    const [B, C, F, L, side, patch, labels] = [8, 384, 1536, 12, 224, 14, 10]
    const patches = (side / patch) ** 2
    const T = patches + 1
    const scores = 2 * B * T * T * C
    const block = 2 * B * T * (4 * C * C + 2 * C * F) + 2 * scores
    const embedding = 2 * B * patches * 3 * patch * patch * C
    const rest = L * block + 2 * B * C * labels
    const config = parseVitConfig({
      model_type: "vit",
      hidden_size: C,
      intermediate_size: F,
      num_hidden_layers: L,
      num_attention_heads: 6,
      image_size: side,
      patch_size: patch,
      num_channels: 3
    })
    const program = whole(vitForImages(config, labels))
    expect(costsOf(program, "predict", { batch: B }).matmulFlops).toBe(embedding + rest)
    expect(costsOf(program, "train", { batch: B }).matmulFlops).toBe(2 * embedding + 3 * rest + L * scores)
  })
})
