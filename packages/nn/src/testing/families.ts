import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect } from "vitest"
import type { Engine, Session } from "../engines/Engine.ts"
import type { Feeds } from "../graph/Program.ts"
import { matchNetwork, type Network } from "../network/Network.ts"
import { trainingProgram } from "../network/training.ts"
import type { Objective } from "../ops/objective.ts"
import { defaultAdamW } from "../train/classifier.ts"
import { openSafetensors } from "../weights/safetensors.ts"
import { largestDifference, scaleOf } from "./golden.ts"

type Nested = ReadonlyArray<number | Nested>

export interface Probe {
  readonly norm: number
  readonly first_3: ReadonlyArray<number>
  readonly middle_3: ReadonlyArray<number>
}

export interface FamilyGoldens {
  readonly inputs: Readonly<Record<string, Nested>>
  readonly logits: Nested
  readonly loss: number
  readonly left_padded?: Readonly<Record<"input_ids" | "attention_mask" | "position_ids" | "logits_last", Nested>>
  readonly greedy?: ReadonlyArray<{ readonly prompt: ReadonlyArray<number>; readonly new_ids: ReadonlyArray<number> }>
  readonly first_gradients: Readonly<Record<string, Probe>>
  readonly train: {
    readonly steps: ReadonlyArray<{ readonly loss: number; readonly grad_norm: number }>
    readonly loss_after: number
    readonly weights_after: Readonly<Record<string, Probe>>
  }
}

const inRepository = new URL("../../../../test/golden/tiny-families/", import.meta.url)
const beside = new URL("../../../../../shared/data/tiny-families/", import.meta.url)

/** The folder of a family: in the repository, else beside it; undefined, with a line, where it is in neither. */
export function familyFolder(family: string): string | undefined {
  for (const place of [inRepository, beside]) {
    const folder = new URL(`${family}/`, place)
    if (existsSync(new URL("model.safetensors", folder))) return fileURLToPath(folder)
  }
  console.log(`skipped: tiny-families/${family}, which is not on this machine`)
  return undefined
}

export const readJson = <A = unknown>(folder: string, file: string): A =>
  JSON.parse(readFileSync(`${folder}${file}`, "utf8")) as A

export const flat = (values: Nested): Array<number> => (values as Array<number>).flat(Infinity) as Array<number>

function shapeOf(values: Nested | number): Array<number> {
  return typeof values === "number" ? [] : [values.length, ...shapeOf(values[0]!)]
}

/** Golden inputs as feeds; what is not whole is float32. */
export function feedsOf(inputs: Readonly<Record<string, Nested>>, floats: ReadonlySet<string> = new Set()): Feeds {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, values]) => {
      const all = flat(values)
      return [name, { data: floats.has(name) ? Float32Array.from(all) : Int32Array.from(all), shape: shapeOf(values) }]
    })
  )
}

/** A family's weights by the network's names; anything missing, left over or of another shape fails. */
export async function familyWeights(network: Network, folder: string): Promise<Map<string, Float32Array>> {
  await using file = await openSafetensors(`${folder}model.safetensors`)
  const match = matchNetwork(network, file.tensors.values())
  expect(match).toMatchObject({ missing: [], leftOver: [], wrongShape: [] })
  const weights = new Map<string, Float32Array>()
  for (const [name, fileName] of match.found) weights.set(name, await file.read(fileName))
  return weights
}

function probesOf(values: Float32Array): Array<number> {
  const middle = Math.floor(values.length / 2)
  return [...values.slice(0, 3), ...values.slice(middle, middle + 3)]
}

/** Whether a parameter's true gradient is zero, so that what is left of it is noise: softmax ignores the biases of keys. */
const isNoise = (name: string): boolean => /key\.bias|k_lin\.bias|k_proj\.bias/.test(name)

export function checkGradientProbes(
  gradients: Readonly<Record<string, ArrayLike<number>>>,
  golden: Readonly<Record<string, Probe>>,
  nameOf: (goldenName: string) => string | null
): void {
  const expected = Object.entries(golden).filter(([, { norm }]) => norm > 0)
  expect(Object.keys(gradients).toSorted()).toEqual(expected.map(([name]) => nameOf(name)).toSorted())
  for (const [name, probe] of expected) {
    if (isNoise(name)) continue
    const actual = gradients[nameOf(name)!]! as Float32Array
    const largest = actual.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
    const difference = largestDifference(probesOf(actual), [...probe.first_3, ...probe.middle_3])
    expect(difference, `gradient of ${name}`).toBeLessThan(1e-4 * largest)
    const norm = Math.sqrt(actual.reduce((sum, value) => sum + value * value, 0))
    expect(Math.abs(norm / probe.norm - 1), `norm of the gradient of ${name}`).toBeLessThan(1e-4)
  }
}

export interface FamilyCheck {
  readonly network: Network
  readonly goldens: FamilyGoldens
  readonly weights: ReadonlyMap<string, Float32Array>
  /** What the sum of losses is divided by. */
  readonly count: number
  readonly feeds: Feeds
  readonly objective?: Objective
  /** How many of the ten AdamW steps are taken; left out, all of them. */
  readonly steps?: number
}

/** Logits, loss, first gradients and AdamW steps against transformers. Leaves a session with the trained weights to the caller. */
export async function checkFamily(engine: Engine, check: FamilyCheck): Promise<Session> {
  const { count, feeds, goldens, network, weights } = check
  const program = trainingProgram({
    network,
    trainable: () => true,
    optimizer: { ...defaultAdamW, weight_decay: 0.01, no_decay: () => false },
    max_grad_norm: null,
    gradients: true,
    ...(check.objective === undefined ? {} : { objective: check.objective })
  })
  expect(program.parameters.map(({ name }) => name).toSorted()).toEqual([...weights.keys()].toSorted())
  const session = await engine.open(program)
  await session.write(weights)
  await session.run("init_optimizer", {})

  const lossOf = async () => {
    const { logits, losses } = await session.run("eval", feeds)
    return { logits: logits!, loss: (losses as Float32Array).reduce((a, b) => a + b, 0) / count }
  }
  const before = await lossOf()
  const expected = flat(goldens.logits)
  expect(before.logits.length).toBe(expected.length)
  expect(largestDifference(before.logits, expected), "logits").toBeLessThan(1e-5 * scaleOf(expected))
  expect(Math.abs(before.loss - goldens.loss), "loss").toBeLessThan(1e-5 * Math.max(1, goldens.loss))

  const gradients = await session.run("gradients", { ...feeds, count })
  checkGradientProbes(gradients, goldens.first_gradients, network.canonicalName)

  const { steps = goldens.train.steps.length } = check
  for (const [step, { grad_norm, loss }] of goldens.train.steps.slice(0, steps).entries()) {
    const result = await session.run("train", { ...feeds, count, learning_rate: 1e-3, optimizer_step: step + 1 })
    const tolerance = step === 0 ? 1e-5 * Math.max(1, loss) : 1e-3
    expect(Math.abs(result["loss"]![0]! - loss), `loss at step ${step}`).toBeLessThan(tolerance)
    expect(Math.abs(result["grad_norm"]![0]! / grad_norm - 1), `gradient norm at step ${step}`).toBeLessThan(1e-2)
  }
  if (steps < goldens.train.steps.length) return session
  expect(Math.abs((await lossOf()).loss - goldens.train.loss_after), "loss after ten steps").toBeLessThan(1e-3)
  return session
}
