import { expect } from "vitest"
import type { Engine } from "../engines/Engine.ts"
import { classifierProgram, defaultAdamW } from "../train/classifier.ts"
import { featuresProgram } from "../train/features.ts"
import { largestDifference, loadMinilm, matrix, pick, readGolden, scaleOf } from "./golden.ts"

interface Step {
  readonly lr: number
  readonly loss: number
  readonly grad_norm_before_clipping: number
}

interface Variant {
  readonly pooling: "pooler" | "mean"
  readonly freeze: ReadonlyArray<string>
  readonly clip: number | null
  readonly no_decay: ReadonlyArray<string>
  readonly first_step: {
    readonly logits: ReadonlyArray<ReadonlyArray<number>>
    readonly gradients: Readonly<
      Record<
        string,
        { readonly norm: number; readonly first_4: ReadonlyArray<number>; readonly last_4: ReadonlyArray<number> }
      >
    >
  }
  readonly steps: ReadonlyArray<Step>
  readonly after_10_steps: { readonly loss: number; readonly logits: ReadonlyArray<ReadonlyArray<number>> }
  readonly weights_after: Readonly<
    Record<
      string,
      { readonly norm: number; readonly first_8: ReadonlyArray<number>; readonly last_8: ReadonlyArray<number> }
    >
  >
}

interface Goldens {
  readonly forward: {
    readonly input_ids: ReadonlyArray<ReadonlyArray<number>>
    readonly attention_mask: ReadonlyArray<ReadonlyArray<number>>
    readonly fp32: { readonly mean_pooled: ReadonlyArray<ReadonlyArray<number>> }
  }
  readonly train: {
    readonly labels: ReadonlyArray<number>
    readonly input_ids: ReadonlyArray<ReadonlyArray<number>>
    readonly attention_mask: ReadonlyArray<ReadonlyArray<number>>
    readonly head: {
      readonly "classifier.weight": ReadonlyArray<ReadonlyArray<number>>
      readonly "classifier.bias": ReadonlyArray<number>
    }
    readonly variants: Readonly<Record<string, Variant>>
  }
}

const goldens = readGolden<Goldens>("minilm/goldens.json")
export const minilmVariants = Object.keys(goldens.train.variants)

let minilm: ReturnType<typeof loadMinilm> | undefined
const load = () => (minilm ??= loadMinilm())

/** Mean-pooled embeddings of eight odd sentences, against PyTorch. */
export async function checkMinilmEmbeddings(engine: Engine): Promise<void> {
  const { config, weights } = await load()
  const program = featuresProgram({ config, until: "pooled", pooling: "mean" })
  const session = await engine.open(program)
  await session.write(pick(weights, program.parameters))
  const { pooled } = await session.run("features", {
    input_ids: matrix(goldens.forward.input_ids),
    attention_mask: matrix(goldens.forward.attention_mask)
  })
  const expected = goldens.forward.fp32.mean_pooled.flat()
  expect(largestDifference(pooled!, expected)).toBeLessThan(1e-5 * scaleOf(expected))
  await session.close()
}

/** First logits, every gradient, ten AdamW steps and what they leave, against PyTorch. */
export async function checkMinilmTraining(engine: Engine, name: string): Promise<void> {
  const { config, weights } = await load()
  const variant = goldens.train.variants[name]!
  const { head, labels } = goldens.train
  const program = classifierProgram({
    config,
    head: { pooling: variant.pooling, labels: 2 },
    trainable: (parameter) => !variant.freeze.some((prefix) => parameter.startsWith(prefix)),
    dropout: { hidden: 0, attention: 0 },
    optimizer: {
      ...defaultAdamW,
      weight_decay: 0.01,
      no_decay: (parameter) => variant.no_decay.some((part) => parameter.includes(part))
    },
    max_grad_norm: variant.clip,
    gradients: true
  })
  const session = await engine.open(program)
  const start = new Map(weights)
    .set("classifier.weight", Float32Array.from(head["classifier.weight"].flat()))
    .set("classifier.bias", Float32Array.from(head["classifier.bias"]))
  await session.write(pick(start, program.parameters))
  await session.run("init_optimizer", {})
  const inputs = {
    input_ids: matrix(goldens.train.input_ids),
    attention_mask: matrix(goldens.train.attention_mask),
    labels: Int32Array.from(labels)
  }
  const count = labels.length

  const logits = variant.first_step.logits.flat()
  const before = await session.run("eval", inputs)
  expect(largestDifference(before["logits"]!, logits), "first logits").toBeLessThan(1e-5 * scaleOf(logits))

  const gradients = await session.run("gradients", { ...inputs, count })
  expect(Object.keys(gradients).toSorted()).toEqual(Object.keys(variant.first_step.gradients).toSorted())
  for (const [parameter, expected] of Object.entries(variant.first_step.gradients)) {
    if (parameter.endsWith("key.bias")) continue // truly zero: what is left is noise
    const actual = gradients[parameter]! as Float32Array
    const largest = actual.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
    const ends = [...actual.slice(0, expected.first_4.length), ...actual.slice(-expected.last_4.length)]
    expect(largestDifference(ends, [...expected.first_4, ...expected.last_4]), `gradient of ${parameter}`).toBeLessThan(
      1e-4 * largest
    )
    expect(Math.abs(normOf(actual) / expected.norm - 1), `norm of the gradient of ${parameter}`).toBeLessThan(1e-4)
  }

  for (const [step, { grad_norm_before_clipping, loss, lr }] of variant.steps.entries()) {
    const result = await session.run("train", { ...inputs, count, learning_rate: lr, optimizer_step: step + 1 })
    expect(Math.abs(result["loss"]![0]! - loss), `loss at step ${step}`).toBeLessThan(step === 0 ? 1e-5 : 1e-4)
    expect(
      Math.abs(result["grad_norm"]![0]! / grad_norm_before_clipping - 1),
      `gradient norm at step ${step}`
    ).toBeLessThan(1e-4)
  }

  const after = await session.run("eval", inputs)
  const afterLogits = variant.after_10_steps.logits.flat()
  expect(largestDifference(after["logits"]!, afterLogits), "logits after ten steps").toBeLessThan(
    1e-4 * scaleOf(afterLogits)
  )
  const held = new Set(program.parameters.map((parameter) => parameter.name))
  const probes = Object.entries(variant.weights_after).filter(([parameter]) => held.has(parameter))
  const final = await session.read(probes.map(([parameter]) => parameter))
  for (const [parameter, expected] of probes) {
    const actual = final.get(parameter)!
    const ends = [...actual.slice(0, expected.first_8.length), ...actual.slice(-expected.last_8.length)]
    expect(
      largestDifference(ends, [...expected.first_8, ...expected.last_8]),
      `${parameter} after ten steps`
    ).toBeLessThan(1e-6)
    expect(Math.abs(normOf(actual) / expected.norm - 1), `norm of ${parameter}`).toBeLessThan(1e-5)
  }
  await session.close()
}

function normOf(values: Float32Array): number {
  let sum = 0
  for (const value of values) sum += value * value
  return Math.sqrt(sum)
}
