import { existsSync } from "node:fs"
import { expect } from "vitest"
import type { Engine } from "../engines/Engine.ts"
import type { CausalNetwork } from "../models/decoder.ts"
import { supervisedTokens } from "../models/decoder.ts"
import { parseGpt2Config } from "../models/gpt2/config.ts"
import { gpt2 } from "../models/gpt2/gpt2.ts"
import { parseLlamaConfig } from "../models/llama/config.ts"
import { llama } from "../models/llama/llama.ts"
import { checkFamily, familyFolder, type FamilyGoldens, familyWeights, feedsOf, flat, readJson } from "./families.ts"
import { largestDifference, scaleOf } from "./golden.ts"

export const decoderFamilies = [
  "gpt2",
  "llama-tied",
  "llama-untied",
  "llama-rope3",
  "qwen2",
  "qwen3",
  "mistral",
  "gemma2"
] as const

export const decoderOf = (family: string, json: unknown): CausalNetwork =>
  family === "gpt2" ? gpt2(parseGpt2Config(json)) : llama(parseLlamaConfig(json))

/** Both spellings of a config must read alike. */
function networkOf(family: string, folder: string): CausalNetwork {
  const json = readJson(folder, "config.json")
  if (existsSync(`${folder}config.v4.json`))
    expect(parseLlamaConfig(readJson(folder, "config.v4.json"))).toEqual(parseLlamaConfig(json))
  return decoderOf(family, json)
}

/** @param steps of the goldens' ten that are taken; left out, all */
export async function checkDecoderFamily(engine: Engine, family: string, steps?: number): Promise<void> {
  const folder = familyFolder(family)
  if (folder === undefined) return
  const network = networkOf(family, folder)
  const goldens = readJson<FamilyGoldens>(folder, "goldens.json")
  const { input_ids, labels } = goldens.inputs
  const weights = await familyWeights(network, folder)
  const session = await checkFamily(engine, {
    network,
    goldens,
    weights,
    count: supervisedTokens(flat(labels!), (input_ids![0] as ReadonlyArray<number>).length),
    feeds: feedsOf(goldens.inputs),
    ...(steps === undefined ? {} : { steps })
  })
  await session.write(weights)
  const { attention_mask, input_ids: left, logits_last } = goldens.left_padded!
  const { logits } = await session.run("predict", feedsOf({ input_ids: left, attention_mask }))
  const rows = left.length
  const vocabulary = network.decoder.vocab_size
  const size = logits!.length / rows
  const last = Array.from({ length: rows }, (_, row) => [
    ...logits!.slice((row + 1) * size - vocabulary, (row + 1) * size)
  ])
  const expected = flat(logits_last)
  expect(largestDifference(last.flat(), expected), "left padding").toBeLessThan(1e-5 * scaleOf(expected))
  await session.close()
}
