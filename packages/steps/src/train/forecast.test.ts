import type { PortType } from "@hone/core/Port"
import type { Facts } from "@hone/core/Step"
import { Schema } from "effect"
import { expect, it } from "vitest"
import { forecast } from "./forecast.ts"
import { TrainParams } from "./params.ts"

/** The shape of all-MiniLM-L6-v2. */
const config = {
  model_type: "bert",
  hidden_size: 384,
  num_hidden_layers: 6,
  num_attention_heads: 12,
  intermediate_size: 1536
}
const [C, F, L, T] = [384, 1536, 6, 128]

const forecastOf = (params: object, strategy: PortTypeStrategy, rows: Facts | undefined = undefined) =>
  forecast({
    params: Schema.decodeUnknownSync(TrainParams)(params),
    inputs: {
      model: { kind: "model", shape: { config, pooling: null, strategy } },
      train: { kind: "tokens", max_length: T }
    },
    facts: rows === undefined ? {} : { train: rows }
  })!

type PortTypeStrategy = NonNullable<NonNullable<PortType["shape"]>["strategy"]>

/** Floating-point operations of a step by hand: three times the products of a forward pass, and little beside them. */
const products = (rows: number, length: number, blocks = L) =>
  3 * blocks * (2 * rows * length * (4 * C * C + 2 * C * F) + 4 * rows * length * length * C)

it("counts the step that will be taken: rows, accumulation, and what the cached prefix leaves of the blocks", () => {
  const whole = forecastOf({}, "full")
  expect(whole.batch).toBe("16 rows of 128 tokens")
  expect(whole.flops_per_step / products(16, T)).toBeCloseTo(1.02, 1)
  const accumulated = forecastOf({ batch_size: 4, gradient_accumulation_steps: 4 }, "full")
  expect(accumulated.flops_per_step / whole.flops_per_step).toBeCloseTo(1, 2)
  expect(accumulated.peak_memory_bytes).toBeLessThan(whole.peak_memory_bytes)
  const tuned = forecastOf({}, { partial: { last_blocks: 2 } })
  expect(tuned.flops_per_step / products(16, T, 2)).toBeCloseTo(0.95, 1)
  expect(tuned.peak_memory_bytes).toBeLessThan(whole.peak_memory_bytes)
})

it("knows more of rows that are there: their longest, how many they are, and what their features take", () => {
  const rows = { rows: 100, tokens: 5_000, longest: 61 }
  const { batch, steps } = forecastOf({ epochs: 2 }, "full", rows)
  expect([batch, steps]).toEqual(["16 rows of 64 tokens", 14])
  expect(forecastOf({}, "full").steps).toBeNull()
  const many = forecastOf({}, { partial: { last_blocks: 2 } }, { ...rows, tokens: 105_000 })
  const few = forecastOf({}, { partial: { last_blocks: 2 } }, rows)
  expect(many.peak_memory_bytes - few.peak_memory_bytes).toBe(100_000 * C * 4)
})

it("settles batch_size: auto as the training will", () => {
  expect(forecastOf({ batch_size: "auto" }, "full").batch).toBe("32 rows of 128 tokens")
  const tight = forecastOf({ batch_size: "auto", memory_budget: 900 }, "full")
  expect(tight).toEqual(forecastOf({ batch_size: parseInt(tight.batch) }, "full"))
  expect(parseInt(tight.batch)).toBeLessThan(32)
})

it("counts the tokens that are to be guessed, and the scores of all words for each", () => {
  const of = (params: object) => forecastOf({ objective: "mlm", ...params }, "full")
  const few = of({})
  expect(few.batch).toBe("16 rows of 128 tokens, 19 of each to guess")
  // The blocks as ever, and for each guess a dense layer and a product with the word embeddings, there and back.
  const guesses = 3 * 16 * 19 * 2 * (C * C + C * 30_522)
  expect(few.flops_per_step / (products(16, T) + guesses)).toBeCloseTo(1.02, 1)
  const many = of({ mlm_probability: 0.3 })
  // Scores, what is left of them after softmax, and both on the way back.
  expect(many.peak_memory_bytes - few.peak_memory_bytes).toBeGreaterThan(2 * 16 * 19 * 30_522 * 4)
  expect(of({ next_sentence: true, pair_length: 64 }).batch).toBe("16 pairs of 64 tokens, 10 of each to guess")
  expect(parseInt(of({ batch_size: "auto", memory_budget: 1000 }).batch)).toBeLessThan(32)
})

it("says nothing where the model is not known yet", () => {
  const params = Schema.decodeUnknownSync(TrainParams)({})
  expect(forecast({ params, inputs: { model: { kind: "model" } }, facts: {} })).toBeUndefined()
})
