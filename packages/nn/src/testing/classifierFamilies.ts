import type { Engine } from "../engines/Engine.ts"
import { parseBertConfig } from "../models/bert/config.ts"
import { bertForMaskedLm, bertForSequences, bertForTokens } from "../models/bert/networks.ts"
import { parseDistilbertConfig } from "../models/distilbert/config.ts"
import { distilbertForSequences } from "../models/distilbert/distilbert.ts"
import { parseRobertaConfig } from "../models/roberta/config.ts"
import { robertaForSequences } from "../models/roberta/roberta.ts"
import { parseT5Config } from "../models/t5/config.ts"
import { t5 } from "../models/t5/t5.ts"
import { parseVitConfig } from "../models/vit/config.ts"
import { vitForImages } from "../models/vit/vit.ts"
import type { Network } from "../network/Network.ts"
import { checkFamily, familyFolder, type FamilyGoldens, familyWeights, feedsOf, flat, readJson } from "./families.ts"

/** The networks that are not causal language models, by folder. */
export const networks: Readonly<Record<string, (json: unknown) => Network>> = {
  bert: (json) => bertForSequences(parseBertConfig(json), 3),
  "bert-regression": (json) => bertForSequences(parseBertConfig(json), 1),
  "bert-tokens": (json) => bertForTokens(parseBertConfig(json), 5),
  "bert-mlm": (json) => bertForMaskedLm(parseBertConfig(json)),
  roberta: (json) => robertaForSequences(parseRobertaConfig(json), 3),
  distilbert: (json) => distilbertForSequences(parseDistilbertConfig(json), 3),
  t5: (json) => t5(parseT5Config(json)),
  "t5-gated": (json) => t5(parseT5Config(json)),
  vit: (json) => vitForImages(parseVitConfig(json), 4)
}

export const classifierFamilies = Object.keys(networks)

/** @param steps of the goldens' ten that are taken; left out, all */
export async function checkClassifierFamily(engine: Engine, family: string, steps?: number): Promise<void> {
  const folder = familyFolder(family)
  if (folder === undefined) return
  const network = networks[family]!(readJson(folder, "config.json"))
  const goldens = readJson<FamilyGoldens>(folder, "goldens.json")
  const regression = family === "bert-regression"
  const session = await checkFamily(engine, {
    network,
    goldens,
    weights: await familyWeights(network, folder),
    count: flat(goldens.inputs["labels"]!).filter((label) => label !== -100).length,
    feeds: feedsOf(goldens.inputs, new Set(regression ? ["labels"] : ["pixel_values"])),
    ...(steps === undefined ? {} : { steps }),
    ...(regression ? { objective: { kind: "mean_squared_error" } as const } : {})
  })
  await session.close()
}
