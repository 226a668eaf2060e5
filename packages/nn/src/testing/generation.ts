import { expect } from "vitest"
import type { Engine } from "../engines/Engine.ts"
import { generationProgram } from "../generate/causal.ts"
import { generate, generateFrom } from "../generate/generate.ts"
import { seq2seqProgram } from "../generate/seq2seq.ts"
import { parseT5Config } from "../models/t5/config.ts"
import { t5 } from "../models/t5/t5.ts"
import { decoderOf } from "./decoderFamilies.ts"
import { familyFolder, type FamilyGoldens, familyWeights, readJson } from "./families.ts"

const options = { max_new_tokens: 12, pad_token_id: 0 }

/** Two prompts of unlike lengths side by side, twelve tokens each, against transformers' own argmax. */
export async function checkGreedy(engine: Engine, family: string): Promise<void> {
  const folder = familyFolder(family)
  if (folder === undefined) return
  const json = readJson(folder, "config.json")
  const greedy = readJson<FamilyGoldens>(folder, "goldens.json").greedy!
  const prompts = greedy.map(({ prompt }) => prompt)
  const expected = greedy.map(({ new_ids }) => new_ids)
  if (family.startsWith("t5")) {
    const network = t5(parseT5Config(json))
    const program = seq2seqProgram(network, { batch: 2, capacity: 12, sourceCapacity: 9 })
    const session = await engine.open(program)
    await session.write(await familyWeights(network, folder))
    expect(await generateFrom(session, program, prompts, options)).toEqual(expected)
    // What was written before must be forgotten.
    expect(await generateFrom(session, program, prompts.toReversed(), options)).toEqual(expected.toReversed())
    return session.close()
  }
  const network = decoderOf(family, json)
  const program = generationProgram(network, { batch: 2, capacity: 20 })
  const session = await engine.open(program)
  await session.write(await familyWeights(network, folder))
  expect(await generate(session, program, prompts, options)).toEqual(expected)
  expect(await generate(session, program, prompts.toReversed(), options)).toEqual(expected.toReversed())
  await session.close()
}
