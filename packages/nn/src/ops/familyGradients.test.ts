import { describe, it } from "vitest"
import { nativeEngines, openForTest } from "../testing/engines.ts"
import { checkAgainstReference, checkInDouble } from "../testing/gradientCheck.ts"
import { familyOperationCases } from "../testing/familyOperationCases.ts"

describe("derivatives of the families' operations are their functions', in double precision", () => {
  it.each(Object.entries(familyOperationCases))("%s", (_, check) => checkInDouble(check))
})

describe.each([...nativeEngines, "wasm" as const, "cpu" as const])(
  "the families' operations and their derivatives on %s are those of the reference",
  (engine) => {
    it.each(Object.entries(familyOperationCases))("%s", async (_, check) =>
      checkAgainstReference(await openForTest(engine), check)
    )
  }
)
