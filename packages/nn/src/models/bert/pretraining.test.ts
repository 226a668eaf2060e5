import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { matchNetwork } from "../../network/Network.ts"
import { trainingProgram } from "../../network/training.ts"
import { nativeEngines, openForTest } from "../../testing/engines.ts"
import { goldenPath, largestDifference, matrix, readGolden, scaleOf } from "../../testing/golden.ts"
import { defaultAdamW } from "../../train/classifier.ts"
import { openSafetensors } from "../../weights/safetensors.ts"
import { parseBertConfig } from "./config.ts"
import { bertForMaskedLm } from "./networks.ts"

interface Goldens {
  readonly inputs: Readonly<
    Record<"input_ids" | "attention_mask" | "token_type_ids" | "labels", ReadonlyArray<ReadonlyArray<number>>>
  > & { readonly next_sentence_label: ReadonlyArray<number> }
  readonly prediction_logits: ReadonlyArray<number>
  readonly seq_relationship_logits: ReadonlyArray<number>
  readonly loss: number
  readonly masked_loss: number
  readonly next_sentence_loss: number
  readonly first_gradients: Readonly<Record<string, { readonly norm: number; readonly first_3: ReadonlyArray<number> }>>
  readonly losses_of_ten_steps: ReadonlyArray<number>
}

const goldens = readGolden<Goldens>("bert-pretraining/goldens.json")
const config = parseBertConfig(readGolden("bert-pretraining/config.json"))
const network = bertForMaskedLm(config, { at: "positions", next_sentence: true })

const weights = async () => {
  await using file = await openSafetensors(fileURLToPath(goldenPath("bert-pretraining/model.safetensors")))
  const match = matchNetwork(network, file.tensors.values())
  expect(match).toMatchObject({ missing: [], leftOver: [], wrongShape: [] })
  const found = new Map<string, Float32Array>()
  for (const [name, fileName] of match.found) found.set(name, await file.read(fileName))
  return found
}

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((total, value) => total + value, 0)

describe.each([...nativeEngines, "wasm"] as const)("masked tokens and next sentences on %s", (name) => {
  it("give the losses, gradients and ten steps of transformers' BertForPreTraining", async () => {
    const program = trainingProgram({
      network,
      trainable: () => true,
      optimizer: { ...defaultAdamW, weight_decay: 0.01, no_decay: () => false },
      max_grad_norm: null,
      gradients: true
    })
    const session = await (await openForTest(name)).open(program)
    await session.write(await weights())
    await session.run("init_optimizer", {})
    const { attention_mask, input_ids, labels, next_sentence_label, token_type_ids } = goldens.inputs
    const where = labels.flat().flatMap((label, place) => (label === -100 ? [] : [place]))
    const feeds = {
      input_ids: matrix(input_ids),
      attention_mask: matrix(attention_mask),
      token_type_ids: matrix(token_type_ids),
      positions: Int32Array.from(where),
      labels: Int32Array.from(where, (place) => labels.flat()[place]!),
      labels_next_sentence: Int32Array.from(next_sentence_label)
    }
    const { logits, logits_next_sentence, losses, losses_next_sentence } = await session.run("eval", feeds)
    const expected = where.flatMap((place) => goldens.prediction_logits.slice(place * 60, (place + 1) * 60))
    expect(largestDifference(logits!, expected) / scaleOf(expected)).toBeLessThan(1e-5)
    expect(largestDifference(logits_next_sentence!, goldens.seq_relationship_logits)).toBeLessThan(1e-5)
    expect(sum(losses!) / 4).toBeCloseTo(goldens.masked_loss, 5)
    expect(sum(losses_next_sentence!) / 3).toBeCloseTo(goldens.next_sentence_loss, 5)

    const counts = { count: 4, count_next_sentence: 3 }
    const gradients = await session.run("gradients", { ...feeds, ...counts })
    expect(Object.keys(gradients).toSorted()).toEqual(Object.keys(goldens.first_gradients).toSorted())
    for (const [parameter, { first_3, norm }] of Object.entries(goldens.first_gradients)) {
      const values = gradients[parameter]!
      expect(Math.abs(Math.hypot(...values) - norm) / Math.max(norm, 1e-2), parameter).toBeLessThan(1e-4)
      expect(largestDifference(values, first_3), parameter).toBeLessThan(1e-4 * Math.max(norm, 1e-2))
    }

    for (const [step, loss] of goldens.losses_of_ten_steps.entries()) {
      const out = await session.run("train", { ...feeds, ...counts, learning_rate: 1e-3, optimizer_step: step + 1 })
      expect(Math.abs(out["loss"]![0]! - loss), `step ${step}`).toBeLessThan(step === 0 ? 1e-5 : 1e-3)
    }
    await session.close()
  })
})
