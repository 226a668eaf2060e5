import { describe, it } from "vitest"
import { nativeEngines, openForTest } from "./testing/engines.ts"
import { checkPrimitives, primitivesAt } from "./testing/primitiveCases.ts"

const engines = [...nativeEngines, "wasm", "cpu"] as const

describe.each([1, 2, 3])("primitives at random shapes, draw %i", (seed) => {
  const drawn = primitivesAt(seed)
  it.each(engines)("%s gives what the reference gives", async (name) => checkPrimitives(await openForTest(name), drawn))
})
