import { expect } from "vitest"
import type { Engine } from "../engines/Engine.ts"
import { supervisedTokens } from "../models/decoder.ts"
import { mergeLora, trainsInLora, withLora } from "../network/lora.ts"
import type { Network } from "../network/Network.ts"
import { readPeftFolder } from "../network/peft.ts"
import { trainingProgram } from "../network/training.ts"
import { defaultAdamW } from "../train/classifier.ts"
import { networks } from "./classifierFamilies.ts"
import { decoderOf } from "./decoderFamilies.ts"
import {
  checkGradientProbes,
  familyFolder,
  type FamilyGoldens,
  familyWeights,
  feedsOf,
  flat,
  type Probe,
  readJson
} from "./families.ts"
import { largestDifference, scaleOf } from "./golden.ts"

interface LoraGoldens {
  readonly trainable: ReadonlyArray<string>
  readonly first_gradients: Readonly<Record<string, Probe>>
  readonly steps: ReadonlyArray<{ readonly loss: number; readonly grad_norm: number }>
  readonly loss_after: number
  readonly logits_after: FamilyGoldens["logits"]
}

export const loraFamilies = ["bert", "gpt2", "llama-untied", "t5"] as const

/** peft's names while it trains, as a network has them. */
const plainName = (name: string): string =>
  name.replace(/^base_model\.model\./, "").replace(/(\.modules_to_save)?\.default\./, ".")

export const plainNetwork = (family: string, json: unknown): Network =>
  networks[family] === undefined ? decoderOf(family, json) : networks[family](json)

/** First gradients and ten steps of the adapters against peft; what they end at, read and merged, gives peft's logits. */
export async function checkLoraFamily(engine: Engine, family: string): Promise<void> {
  const folder = familyFolder(family)
  if (folder === undefined) return
  const plain = plainNetwork(family, readJson(folder, "config.json"))
  const { inputs } = readJson<FamilyGoldens>(folder, "goldens.json")
  const goldens = readJson<LoraGoldens>(folder, "lora-goldens.json")
  const start = await readPeftFolder(plain, `${folder}lora-start`)
  const network = withLora(plain, start.options)
  const base = await familyWeights(plain, folder)
  const program = trainingProgram({
    network,
    trainable: trainsInLora(start.options),
    optimizer: { ...defaultAdamW, weight_decay: 0.01, no_decay: () => false },
    max_grad_norm: null,
    gradients: true
  })
  expect(program.trainable.toSorted()).toEqual(goldens.trainable.map(plainName).toSorted())
  const session = await engine.open(program)
  await session.write(new Map([...base, ...start.weights]))
  await session.run("init_optimizer", {})
  const feeds = feedsOf(inputs)
  const labels = flat(inputs["labels"]!)
  const width = (inputs["input_ids"]![0] as ReadonlyArray<number>).length
  const causal = family === "gpt2" || family === "llama-untied"
  const count = causal ? supervisedTokens(labels, width) : labels.filter((label) => label !== -100).length

  const { ...gradients } = await session.run("gradients", { ...feeds, count })
  // b starts at zero, so that the gradient of a is zero too.
  for (const name of Object.keys(gradients)) if (name.includes("lora_A")) delete gradients[name]
  checkGradientProbes(gradients, goldens.first_gradients, plainName)

  for (const [step, { loss }] of goldens.steps.entries()) {
    const result = await session.run("train", { ...feeds, count, learning_rate: 1e-3, optimizer_step: step + 1 })
    expect(Math.abs(result["loss"]![0]! - loss), `loss at step ${step}`).toBeLessThan(
      step === 0 ? 1e-5 * Math.max(1, loss) : 1e-3
    )
  }
  for (const [name, values] of await session.read(base.keys()))
    if (!program.trainable.includes(name)) expect(values, name).toEqual(base.get(name))
  const { losses } = await session.run("eval", feeds)
  const after = (losses as Float32Array).reduce((a, b) => a + b, 0) / count
  expect(Math.abs(after - goldens.loss_after), "loss after ten steps").toBeLessThan(1e-3)

  const tuned = new Map([...base, ...(await readPeftFolder(plain, `${folder}lora-after`)).weights])
  const expected = flat(goldens.logits_after)
  await session.write(tuned)
  const adapted = (await session.run("eval", feeds))["logits"]!
  expect(largestDifference(adapted, expected), "adapted logits").toBeLessThan(1e-5 * scaleOf(expected))
  await session.close()
  const merged = await engine.open(
    trainingProgram({ network: plain, trainable: () => true, optimizer: defaultAdamW, max_grad_norm: null })
  )
  await merged.write(mergeLora(plain, start.options, tuned))
  const { logits } = await merged.run("eval", feeds)
  expect(largestDifference(logits!, expected), "merged logits").toBeLessThan(1e-5 * scaleOf(expected))
  await merged.close()
}
