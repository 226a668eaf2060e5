import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { beforeAll, describe, expect, it } from "vitest"
import { generationProgram } from "../../generate/causal.ts"
import { generate } from "../../generate/generate.ts"
import { trainingProgram } from "../../network/training.ts"
import { fastestEngine, openForTest } from "../../testing/engines.ts"
import { familyWeights } from "../../testing/families.ts"
import { largestDifference, matrix, scaleOf } from "../../testing/golden.ts"
import { defaultAdamW } from "../../train/classifier.ts"
import { supervisedTokens } from "../decoder.ts"
import { parseLlamaConfig } from "./config.ts"
import { llama } from "./llama.ts"

interface Goldens {
  readonly forward: ReadonlyArray<
    Readonly<Record<"input_ids" | "argmax" | "logits_first" | "logits_last", ReadonlyArray<number>>> & {
      readonly loss: number
    }
  >
  readonly generate: ReadonlyArray<{
    readonly prompt_ids: ReadonlyArray<number>
    readonly max_new_tokens: number
    readonly ids: ReadonlyArray<number>
  }>
  readonly train: Readonly<Record<"input_ids" | "attention_mask" | "labels", ReadonlyArray<ReadonlyArray<number>>>> & {
    readonly steps: ReadonlyArray<{ readonly loss: number; readonly grad_norm: number }>
    readonly loss_after: number
    readonly first_gradients: Readonly<
      Record<string, { readonly head: ReadonlyArray<number>; readonly tail: ReadonlyArray<number> }>
    >
  }
}

const folder = fileURLToPath(new URL("../../../../../../shared/data/stories260k/", import.meta.url))
const present = existsSync(`${folder}model.safetensors`)
if (!present) console.log("skipped: stories260k, which is not on this machine")

// A trained model, where the tiny families are random ones.
describe.skipIf(!present)(`a Llama of 260 032 parameters that writes stories, on ${fastestEngine}`, () => {
  let goldens: Goldens
  let network: ReturnType<typeof llama>
  let weights: Map<string, Float32Array>

  beforeAll(async () => {
    const read = (file: string): unknown => JSON.parse(readFileSync(`${folder}${file}`, "utf8"))
    goldens = read("goldens.json") as Goldens
    network = llama(parseLlamaConfig(read("config.json")))
    weights = await familyWeights(network, folder)
  })

  const open = async () => {
    const optimizer = { ...defaultAdamW, weight_decay: 0.01, no_decay: () => false }
    const program = trainingProgram({ network, trainable: () => true, optimizer, max_grad_norm: null, gradients: true })
    const session = await (await openForTest(fastestEngine)).open(program)
    await session.write(weights)
    return session
  }

  it("gives the reference's logits and losses of three texts", async () => {
    const session = await open()
    for (const { argmax, input_ids, logits_first, logits_last, loss } of goldens.forward) {
      const rows = matrix([input_ids])
      const feeds = { input_ids: rows, attention_mask: matrix([input_ids.map(() => 1)]), labels: rows }
      const { logits, losses } = await session.run("eval", feeds)
      const scale = 1e-5 * scaleOf([...logits_first, ...logits_last])
      expect(largestDifference(logits!.subarray(0, 512), logits_first)).toBeLessThan(scale)
      expect(largestDifference(logits!.subarray(-512), logits_last)).toBeLessThan(scale)
      const best = argmax.map((_, at) => {
        const row = logits!.subarray(at * 512, (at + 1) * 512)
        return row.indexOf(Math.max(...row))
      })
      expect(best).toEqual(argmax)
      const mean = (losses as Float32Array).reduce((a, b) => a + b, 0) / supervisedTokens(input_ids, input_ids.length)
      expect(Math.abs(mean - loss)).toBeLessThan(1e-5 * Math.max(1, loss))
    }
    await session.close()
  })

  it("trains as the reference does for ten steps", async () => {
    const { attention_mask, first_gradients, input_ids, labels, loss_after, steps } = goldens.train
    const session = await open()
    await session.run("init_optimizer", {})
    const feeds = { input_ids: matrix(input_ids), attention_mask: matrix(attention_mask), labels: matrix(labels) }
    const count = supervisedTokens(labels.flat(), labels[0]!.length)
    const gradients = await session.run("gradients", { ...feeds, count })
    for (const [name, { head, tail }] of Object.entries(first_gradients)) {
      const actual = gradients[name]! as Float32Array
      const largest = actual.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
      const ends = [...actual.slice(0, head.length), ...actual.slice(-tail.length)]
      expect(largestDifference(ends, [...head, ...tail]), name).toBeLessThan(1e-4 * largest)
    }
    for (const [step, { loss }] of steps.entries()) {
      const result = await session.run("train", { ...feeds, count, learning_rate: 1e-3, optimizer_step: step + 1 })
      expect(Math.abs(result["loss"]![0]! - loss), `loss at step ${step}`).toBeLessThan(step === 0 ? 1e-5 * loss : 1e-3)
    }
    const { losses } = await session.run("eval", feeds)
    expect(Math.abs((losses as Float32Array).reduce((a, b) => a + b, 0) / count - loss_after)).toBeLessThan(1e-3)
    await session.close()
  })

  it("writes the reference's stories", async () => {
    const prompts = goldens.generate.map(({ prompt_ids }) => prompt_ids)
    const longest = Math.max(...goldens.generate.map(({ max_new_tokens }) => max_new_tokens))
    const program = generationProgram(network, {
      batch: prompts.length,
      capacity: longest + Math.max(...prompts.map((p) => p.length))
    })
    const session = await (await openForTest(fastestEngine)).open(program)
    await session.write(weights)
    const options = { max_new_tokens: longest, pad_token_id: 0, eos_token_ids: [2] }
    const written = await generate(session, program, prompts, options)
    goldens.generate.forEach(({ ids, prompt_ids }, row) => {
      const story = [...prompt_ids, ...written[row]!]
      expect(story.slice(0, ids.length)).toEqual(ids)
    })
    await session.close()
  })
})
