import { fileURLToPath } from "node:url"
import { expect, it } from "vitest"
import { EngineMissing, readEngine } from "../engine/EngineFile.ts"
import { measureSpeed, quickStartSeconds } from "./speed.ts"

const root = fileURLToPath(new URL("../../../..", import.meta.url))

it("measures tokens and FLOPs that belong together, in about the time that it is given", async () => {
  const engine = readEngine(root, process.env)
  if (engine instanceof EngineMissing) throw engine
  const started = performance.now()
  const { batch, infer, quick_start_seconds, threads, train } = await measureSpeed(engine, 4)
  expect(threads).toBe(engine.threads)
  expect(batch).toMatch(/^(16|4) rows of 64 tokens$/)
  // Six blocks at 64 tokens: four products of C x C, two of C x 4C, and attention's two; the backward pass is twice that.
  const [C, T] = [384, 64]
  const perToken = 6 * (2 * 12 * C * C + 4 * T * C)
  expect(infer.flops_per_second / infer.tokens_per_second / perToken).toBeCloseTo(1.03, 1)
  expect(train.flops_per_second / train.tokens_per_second / perToken).toBeCloseTo(3.2, 0)
  expect(infer.tokens_per_second).toBeGreaterThan(train.tokens_per_second)
  expect(train.fastest_ms).toBeLessThanOrEqual(train.median_ms)
  expect(quick_start_seconds).toBeGreaterThan(10)
  expect((performance.now() - started) / 1000).toBeGreaterThan(4)
})

it("the main job at the rate of the machine that it was timed on takes what it took there", () => {
  expect(quickStartSeconds("session", 163e9)).toBeCloseTo(94, 0)
  expect(quickStartSeconds("session", 81.5e9)).toBeCloseTo(178, 0)
  expect(quickStartSeconds("wasm", 163e9)).toBeLessThan(20)
})
