import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { nativeEngines, openForTest } from "../../testing/engines.ts"
import { goldenPath, largestDifference, matrix, readGolden, scaleOf } from "../../testing/golden.ts"
import type { Objective } from "../../ops/objective.ts"
import { classifierProgram, defaultAdamW } from "../../train/classifier.ts"
import { openSafetensors } from "../../weights/safetensors.ts"
import { type BertConfig, parseBertConfig } from "./config.ts"
import { canonicalName, classifierModelWeights, type HeadOptions, matchWeights } from "./weights.ts"

interface Goldens {
  readonly inputs: Readonly<
    Record<"input_ids" | "attention_mask" | "token_type_ids", ReadonlyArray<ReadonlyArray<number>>>
  > & { readonly labels: ReadonlyArray<number> }
  readonly logits: ReadonlyArray<ReadonlyArray<number>>
  readonly first_gradients: Readonly<
    Record<
      string,
      { readonly norm: number; readonly first_3: ReadonlyArray<number>; readonly middle_3: ReadonlyArray<number> }
    >
  >
  readonly train: {
    readonly steps: ReadonlyArray<{ readonly loss: number; readonly grad_norm: number }>
    readonly loss_after: number
  }
}

interface Family {
  readonly folder: string
  readonly what: string
  readonly head: HeadOptions
  readonly objective?: Objective
}

const families: ReadonlyArray<Family> = [
  { folder: "bert", what: "classifies", head: { pooling: "pooler", labels: 3 } },
  {
    folder: "bert-regression",
    what: "predicts a number",
    head: { pooling: "pooler", labels: 1 },
    objective: { kind: "mean_squared_error" }
  }
]

/** A random BertForSequenceClassification: padding, two token types, a `bert.` prefix, weights that no symmetry hides. */
async function loadTiny({ folder, head }: Family, config: BertConfig): Promise<ReadonlyMap<string, Float32Array>> {
  await using file = await openSafetensors(fileURLToPath(goldenPath(`tiny-families/${folder}/model.safetensors`)))
  const match = matchWeights(classifierModelWeights(config, head), file.tensors.values())
  expect(match).toMatchObject({ missing: [], leftOver: [], wrongShape: [] })
  const weights = new Map<string, Float32Array>()
  for (const [name, fileName] of match.found) weights.set(name, await file.read(fileName))
  return weights
}

describe.each([...nativeEngines, "wasm", "cpu"] as const)("a tiny BertForSequenceClassification on %s", (name) => {
  it.each(families)("that $what gives transformers' logits, gradients and ten steps", async (family) => {
    const { folder, head, objective } = family
    const goldens = readGolden<Goldens>(`tiny-families/${folder}/goldens.json`)
    const config = parseBertConfig(readGolden(`tiny-families/${folder}/config.json`))
    const program = classifierProgram({
      config,
      head,
      trainable: () => true,
      token_types: true,
      objective,
      optimizer: { ...defaultAdamW, weight_decay: 0.01, no_decay: () => false },
      max_grad_norm: null,
      gradients: true
    })
    const session = await (await openForTest(name)).open(program)
    await session.write(await loadTiny(family, config))
    await session.run("init_optimizer", {})
    const { attention_mask, input_ids, labels, token_type_ids } = goldens.inputs
    const feeds = {
      input_ids: matrix(input_ids),
      attention_mask: matrix(attention_mask),
      token_type_ids: matrix(token_type_ids),
      labels: objective === undefined ? Int32Array.from(labels) : Float32Array.from(labels)
    }
    const { logits } = await session.run("eval", feeds)
    const expected = goldens.logits.flat()
    expect(largestDifference(logits!, expected)).toBeLessThan(1e-5 * scaleOf(expected))

    const gradients = await session.run("gradients", { ...feeds, count: 3 })
    for (const [fileName, golden] of Object.entries(goldens.first_gradients)) {
      if (fileName.endsWith("key.bias")) continue // truly zero
      const actual = gradients[canonicalName(fileName)]! as Float32Array
      const largest = actual.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
      const middle = Math.floor(actual.length / 2)
      const probes = [...actual.slice(0, 3), ...actual.slice(middle, middle + 3)]
      expect(largestDifference(probes, [...golden.first_3, ...golden.middle_3]), fileName).toBeLessThan(1e-4 * largest)
    }

    for (const [step, { loss }] of goldens.train.steps.entries()) {
      const result = await session.run("train", { ...feeds, count: 3, learning_rate: 1e-3, optimizer_step: step + 1 })
      expect(Math.abs(result["loss"]![0]! - loss), `loss at step ${step}`).toBeLessThan(step === 0 ? 1e-5 : 1e-3)
    }
    const { losses } = await session.run("eval", feeds)
    expect([...losses!].reduce((a, b) => a + b, 0) / 3).toBeCloseTo(goldens.train.loss_after, 3)
    await session.close()
  })
})
