import { describe, expect, it } from "vitest"
import { openForTest } from "../../testing/engines.ts"
import {
  checkGradientProbes,
  familyFolder,
  type FamilyGoldens,
  familyWeights,
  feedsOf,
  flat,
  readJson
} from "../../testing/families.ts"
import { largestDifference, scaleOf } from "../../testing/golden.ts"
import { trainingProgram } from "../../network/training.ts"
import { defaultAdamW } from "../../train/classifier.ts"
import { parseT5Config } from "./config.ts"
import { LONG_TEXT, t5 } from "./t5.ts"

type Rows = ReadonlyArray<ReadonlyArray<number>>

const padded = (rows: unknown, length: number, fill: number): Rows =>
  (rows as Rows).map((row) => [...row, ...Array<number>(length - row.length).fill(fill)])

const [READ, WRITE] = [16, 8]

// TensorFlow takes seconds to prepare so many nodes; the interpreter takes none.
describe("T5 with its attention in blocks", () => {
  it.each(["t5", "t5-gated"])("%s gives transformers' logits, loss and first gradients", async (family) => {
    const folder = familyFolder(family)
    if (folder === undefined) return
    const network = t5(parseT5Config(readJson(folder, "config.json")), { read: LONG_TEXT, write: LONG_TEXT })
    const goldens = readJson<FamilyGoldens>(folder, "goldens.json")
    const { attention_mask, input_ids, labels } = goldens.inputs
    const program = trainingProgram({
      network,
      trainable: () => true,
      optimizer: defaultAdamW,
      max_grad_norm: null,
      gradients: true
    })
    const session = await (await openForTest("wasm")).open(program)
    await session.write(await familyWeights(network, folder))
    const feeds = feedsOf({
      input_ids: padded(input_ids, READ, 0),
      attention_mask: padded(attention_mask, READ, 0),
      labels: padded(labels, WRITE, -100)
    })
    const count = flat(labels!).filter((label) => label !== -100).length
    const { logits, losses } = await session.run("eval", feeds)
    // Of each row the places that the golden has.
    const expected = flat(goldens.logits)
    const [written, own] = [(labels as Rows)[0]!.length, logits!.length / (labels as Rows).length]
    const places = (labels as Rows).flatMap((_, row) => [
      ...logits!.slice(row * own, row * own + (own / WRITE) * written)
    ])
    expect(places).toHaveLength(expected.length)
    expect(largestDifference(Float32Array.from(places), expected)).toBeLessThan(1e-5 * scaleOf(expected))
    const loss = (losses as Float32Array).reduce((a, b) => a + b, 0) / count
    expect(Math.abs(loss - goldens.loss)).toBeLessThan(1e-5 * Math.max(1, goldens.loss))
    const gradients = await session.run("gradients", { ...feeds, count })
    checkGradientProbes(gradients, goldens.first_gradients, network.canonicalName)
    await session.close()
  })
})
