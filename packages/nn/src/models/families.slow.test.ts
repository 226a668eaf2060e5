import { describe, it } from "vitest"
import { checkClassifierFamily, classifierFamilies } from "../testing/classifierFamilies.ts"
import { checkDecoderFamily, decoderFamilies } from "../testing/decoderFamilies.ts"
import { fastestEngine, nativeEngines, openForTest } from "../testing/engines.ts"
import { checkGreedy } from "../testing/generation.ts"
import { checkLoraFamily, loraFamilies } from "../testing/loraFamilies.ts"

// The fast lane has these on the fastest engine.
const others = [...nativeEngines, "wasm" as const].filter((name) => name !== fastestEngine)

describe.each(others)("families give transformers' numbers on %s", (name) => {
  it.each(classifierFamilies)("%s", async (family) => checkClassifierFamily(await openForTest(name), family))
  it.each(decoderFamilies)("%s", async (family) => checkDecoderFamily(await openForTest(name), family))
  it.each(loraFamilies)("adapters of %s", async (family) => checkLoraFamily(await openForTest(name), family))
  it.each([...decoderFamilies, "t5", "t5-gated"])("greedy answers of %s", async (family) =>
    checkGreedy(await openForTest(name), family)
  )
})
