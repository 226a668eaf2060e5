import { describe, expect, it } from "vitest"
import type { EngineName, Session } from "../engines/Engine.ts"
import type { Feeds } from "../graph/Program.ts"
import { type BertConfig, parseBertConfig } from "../models/bert/config.ts"
import { initialWeights } from "../models/bert/weights.ts"
import { fastestEngine, openForTest } from "../testing/engines.ts"
import { largestDifference, matrix, pick } from "../testing/golden.ts"
import type { TrainingProgram } from "../network/training.ts"
import { type ClassifierOptions, classifierProgram, defaultAdamW, frozenBlocks } from "./classifier.ts"
import { featuresProgram } from "./features.ts"

const config: BertConfig = {
  ...parseBertConfig({
    model_type: "bert",
    vocab_size: 50,
    hidden_size: 16,
    num_hidden_layers: 3,
    num_attention_heads: 4,
    intermediate_size: 32,
    max_position_embeddings: 24
  }),
  hidden_dropout_prob: 0,
  attention_probs_dropout_prob: 0,
  initializer_range: 0.3
}

const base: ClassifierOptions = {
  config,
  head: { pooling: "mean", labels: 3 },
  trainable: () => true,
  optimizer: { ...defaultAdamW, weight_decay: 0.1 },
  max_grad_norm: 1
}

const engines: ReadonlyArray<EngineName> = [...new Set<EngineName>([fastestEngine, "wasm"])]
const topBlock = (name: string) => /^encoder\.layer\.2\.|^classifier\./.test(name)
const weightsOf = (program: TrainingProgram) => initialWeights(config, program.parameters, 3)

// What follows from the graph alone is checked on wasm, which starts at once; what hangs on an engine, on the native one too.
async function start(program: TrainingProgram, engine: EngineName = "wasm"): Promise<Session> {
  const session = await (await openForTest(engine)).open(program)
  await session.write(weightsOf(program))
  await session.run("init_optimizer", {})
  return session
}

const texts = [
  [4, 9, 17, 3, 28, 41],
  [7, 7, 2, 30],
  [11, 48, 5, 6, 1],
  [22, 13]
]
const labels = [2, 0, 1, 0]

/** Rows padded to `width`. */
function inputs(rows: ReadonlyArray<number>, width: number): Feeds {
  const chosen = rows.map((row) => texts[row]!)
  return {
    input_ids: matrix(chosen.map((ids) => [...ids, ...Array.from({ length: width - ids.length }, () => 0)])),
    attention_mask: matrix(chosen.map((ids) => Array.from({ length: width }, (_, i) => (i < ids.length ? 1 : 0))))
  }
}

const batch = (rows: ReadonlyArray<number>, width: number): Feeds => ({
  ...inputs(rows, width),
  labels: Int32Array.from(rows, (row) => labels[row]!)
})
const all = [0, 1, 2, 3]
const stepFeeds = (step: number): Feeds => ({
  count: 4,
  learning_rate: 1e-2,
  optimizer_step: step,
  seed: Int32Array.of(77, step)
})

describe("a BERT classifier", () => {
  it("learns one batch by heart", async () => {
    const program = classifierProgram({ ...base, config: { ...config, initializer_range: 0.05 } })
    const session = await start(program)
    const losses: Array<number> = []
    for (let step = 1; step <= 40; step++)
      losses.push((await session.run("train", { ...batch(all, 8), ...stepFeeds(step) }))["loss"]![0]!)
    expect(losses[0]).toBeGreaterThan(0.5)
    expect(losses.at(-1)).toBeLessThan(0.05)
    await session.close()
  })

  it("gives a row the same logits alone, in a batch and under more padding", async () => {
    const session = await start(classifierProgram(base))
    const together = (await session.run("eval", batch(all, 16)))["logits"]!
    for (const row of all) {
      const alone = (await session.run("eval", batch([row], texts[row]!.length)))["logits"]!
      expect(largestDifference(together.slice(3 * row, 3 * row + 3), [...alone])).toBeLessThan(1e-5)
    }
    await session.close()
  })

  it("takes the same step under more padding, and when rows that are not supervised are added", async () => {
    const program = classifierProgram({ ...base, gradients: true })
    const session = await start(program)
    const plain = await session.run("gradients", { ...batch([0, 1], 6), count: 2 })
    const unsupervised = { ...batch([0, 1, 2], 16), labels: Int32Array.of(2, 0, -100) }
    const padded = await session.run("gradients", { ...unsupervised, count: 2 })
    for (const name of program.trainable)
      expect(largestDifference(padded[name]!, [...plain[name]!]), name).toBeLessThan(1e-5)
    await session.close()
  })

  it("takes the same step by micro-batches as by the whole batch", async () => {
    const options = { ...base, accumulation: true }
    const program = classifierProgram(options)
    const [whole, parts] = [await start(program, fastestEngine), await start(program, fastestEngine)]
    for (const step of [1, 2]) {
      const { count, seed, ...rates } = stepFeeds(step)
      const one = await whole.run("train", { ...batch(all, 8), ...stepFeeds(step) })
      let loss = 0
      for (const rows of [[0], [1, 2], [3]])
        loss += (await parts.run("accumulate", { ...batch(rows, 8), count: count!, seed: seed! }))["loss"]![0]!
      const applied = await parts.run("apply", rates)
      expect(loss).toBeCloseTo(one["loss"]![0]!, 5)
      expect(applied["grad_norm"]![0]).toBeCloseTo(one["grad_norm"]![0]!, 5)
    }
    const [a, b] = [await whole.read(program.trainable), await parts.read(program.trainable)]
    // Adam divides by the gradient's own size, so that noise in a gradient that is truly zero moves its weight.
    for (const [name, values] of a)
      if (!name.endsWith("key.bias")) expect(largestDifference(b.get(name)!, [...values]), name).toBeLessThan(2e-4)
    await whole.close()
    await parts.close()
  })

  it("trains each parameter at a rate of its own, as groups of torch.optim.AdamW do", async () => {
    const half = (name: string) => (name.startsWith("classifier.") ? 1 : 0.5)
    const weightsAfter = async (rate: ((name: string) => number) | undefined, learning_rate: number) => {
      const program = classifierProgram({ ...base, optimizer: { ...base.optimizer, rate }, max_grad_norm: null })
      const session = await start(program, fastestEngine)
      await session.run("train", { ...batch(all, 8), ...stepFeeds(1), learning_rate })
      const after = await session.read(program.trainable)
      await session.close()
      return after
    }
    const grouped = await weightsAfter(half, 1e-2)
    const [slow, fast] = [await weightsAfter(undefined, 5e-3), await weightsAfter(undefined, 1e-2)]
    for (const [name, values] of grouped)
      expect(largestDifference(values, [...(half(name) === 1 ? fast : slow).get(name)!]), name).toBeLessThan(1e-6)
  })

  it("counts the steps of a parameter that begins to train later from there on", async () => {
    const options = { ...base, max_grad_norm: null }
    const top = await start(classifierProgram({ ...options, trainable: topBlock }))
    for (const step of [1, 2]) await top.run("train", { ...batch(all, 8), ...stepFeeds(step) })
    const whole = classifierProgram(options)
    const since = new Map(whole.trainable.map((name) => [name, topBlock(name) ? 0 : 2]))
    const late = await start(classifierProgram({ ...options, optimizer: { ...options.optimizer, since } }))
    const fresh = await start(whole)
    const state = whole.optimizerState.filter((name) => topBlock(name.slice(name.indexOf("/") + 1)))
    const reached = await top.read(whole.trainable.filter(topBlock))
    await late.write(new Map([...reached, ...(await top.read(state))]))
    await fresh.write(reached)
    await top.run("train", { ...batch(all, 8), ...stepFeeds(3) })
    await late.run("train", { ...batch(all, 8), ...stepFeeds(3) })
    await fresh.run("train", { ...batch(all, 8), ...stepFeeds(1) })
    const names = whole.trainable.filter((name) => !name.endsWith("key.bias"))
    const [after, third, first] = await Promise.all([late.read(names), top.read(names), fresh.read(names)])
    for (const name of names) {
      const expected = (topBlock(name) ? third : first).get(name)!
      expect(largestDifference(after.get(name)!, [...expected]), name).toBeLessThan(1e-6)
    }
    await expect(late.run("train", { ...batch(all, 8), ...stepFeeds(2) })).rejects.toThrow("from 3")
    await Promise.all([top, late, fresh].map((session) => session.close()))
  })

  it("keeps the bytes of what is frozen, and changes all of what trains", async () => {
    const program = classifierProgram({ ...base, trainable: topBlock })
    const session = await start(program, fastestEngine)
    for (let step = 1; step <= 3; step++) await session.run("train", { ...batch(all, 8), ...stepFeeds(step) })
    const after = await session.read(program.parameters.map(({ name }) => name))
    for (const [name, before] of weightsOf(program)) {
      if (topBlock(name)) expect(after.get(name), name).not.toEqual(before)
      else expect(after.get(name), name).toEqual(before)
    }
    expect(program.trainable.every(topBlock)).toBe(true)
    expect(program.optimizerState).toHaveLength(2 * program.trainable.length)
    await session.close()
  })

  it.each(engines)(
    "resumes from what was read out as if it had never stopped, bit for bit, dropout included: %s",
    async (engine) => {
      const program = classifierProgram({ ...base, dropout: { hidden: 0.2, attention: 0.1 } })
      const names = [...program.trainable, ...program.optimizerState]
      const straight = await start(program, engine)
      const run = async (session: Session, steps: ReadonlyArray<number>) => {
        const losses: Array<number> = []
        for (const step of steps)
          losses.push((await session.run("train", { ...batch(all, 8), ...stepFeeds(step) }))["loss"]![0]!)
        return losses
      }
      const before = await run(straight, [1, 2])
      const saved = await straight.read(names)
      const rest = await run(straight, [3, 4])
      const resumed = await start(program, engine)
      await resumed.write(saved)
      expect(await run(resumed, [3, 4])).toEqual(rest)
      expect(await resumed.read(names)).toEqual(await straight.read(names))
      expect(new Set([...before, ...rest]).size).toBe(4)
      await straight.close()
      await resumed.close()
    }
  )

  it("drops out differently at another step and for another run, and not at all in evaluation", async () => {
    const session = await start(
      classifierProgram({ ...base, dropout: { hidden: 0.3, attention: 0.3 }, gradients: true })
    )
    const gradient = async (...seed: [number, number]) =>
      (await session.run("gradients", { ...batch(all, 8), count: 4, seed: Int32Array.from(seed) }))["classifier.weight"]
    expect(await gradient(1, 1)).toEqual(await gradient(1, 1))
    expect(await gradient(1, 1)).not.toEqual(await gradient(1, 2))
    expect(await gradient(1, 1)).not.toEqual(await gradient(2, 1))
    expect(await session.run("eval", batch(all, 8))).toEqual(await session.run("eval", batch(all, 8)))
    await session.close()
  })
})

describe("a cut", () => {
  it.each([
    [0, "wasm"],
    [1, "wasm"],
    [2, "wasm"],
    [2, fastestEngine],
    ["pooled", "wasm"]
  ] as const)("at %s trains as the uncut program does on %s", async (cut, engineName) => {
    const trainable = cut === "pooled" ? (name: string) => name.startsWith("classifier.") : topBlock
    const options: ClassifierOptions = { ...base, trainable, dropout: { hidden: 0.2, attention: 0.2 }, gradients: true }
    const [uncutProgram, cutProgram] = [classifierProgram(options), classifierProgram({ ...options, cut })]
    const prefix = featuresProgram({ config, until: cut, pooling: "mean" })
    expect([...prefix.parameters, ...cutProgram.parameters]).toEqual(uncutProgram.parameters)
    const all_ = weightsOf(uncutProgram)
    const engine = await openForTest(engineName)
    const [uncut, after, before] = [
      await engine.open(uncutProgram),
      await engine.open(cutProgram),
      await engine.open(prefix)
    ]
    for (const [session, program] of [
      [uncut, uncutProgram],
      [after, cutProgram],
      [before, prefix]
    ] as const)
      await session.write(pick(all_, program.parameters))
    const feeds = batch(all, 8)
    const { attention_mask, input_ids, labels: targets } = feeds
    const features = await before.run("features", { input_ids: input_ids!, attention_mask: attention_mask! })
    const cached: Feeds =
      cut === "pooled"
        ? { pooled: { data: features["pooled"]!, shape: [4, 16] }, labels: targets! }
        : {
            hidden: { data: features["hidden"]!, shape: [4, 8, 16] },
            attention_mask: attention_mask!,
            labels: targets!
          }
    const extra = { count: 4, seed: Int32Array.of(5, 5) }
    const [expected, actual] = [
      await uncut.run("gradients", { ...feeds, ...extra }),
      await after.run("gradients", { ...cached, ...extra })
    ]
    expect(Object.keys(actual)).toEqual(Object.keys(expected))
    for (const [name, values] of Object.entries(expected))
      expect(largestDifference(actual[name]!, [...values]), name).toBeLessThan(1e-5)
    const [logits, cachedLogits] = [await uncut.run("eval", feeds), await after.run("eval", cached)]
    expect(largestDifference(cachedLogits["logits"]!, [...logits["logits"]!])).toBeLessThan(1e-5)
    for (const session of [uncut, after, before]) await session.close()
  })

  it("may lie no higher than the lowest part that trains", () => {
    expect(frozenBlocks(config, topBlock)).toBe(2)
    expect(frozenBlocks(config, (name) => name.startsWith("classifier."))).toBe(3)
    expect(frozenBlocks(config, () => true)).toBeNull()
    expect(() => classifierProgram({ ...base, trainable: topBlock, cut: 3 })).toThrow("2 blocks are frozen")
    expect(() => classifierProgram({ ...base, cut: 0 })).toThrow("no blocks are frozen")
  })
})
