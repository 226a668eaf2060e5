import { describe, it } from "vitest"
import { checkClassifierFamily, classifierFamilies } from "../testing/classifierFamilies.ts"
import { checkDecoderFamily, decoderFamilies } from "../testing/decoderFamilies.ts"
import { fastestEngine, nativeEngines, openForTest } from "../testing/engines.ts"

const others = [...nativeEngines, "wasm" as const].filter((name) => name !== fastestEngine)

describe.each(others)("families give transformers' numbers on %s", (name) => {
  it.each(classifierFamilies)("%s", async (family) => checkClassifierFamily(await openForTest(name), family))
  it.each(decoderFamilies)("%s", async (family) => checkDecoderFamily(await openForTest(name), family))
})
