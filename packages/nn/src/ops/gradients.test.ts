import { readdirSync, readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { fastestEngine, nativeEngines, openForTest } from "../testing/engines.ts"
import { checkAgainstReference, checkGradients, checkInDouble } from "../testing/gradientCheck.ts"
import { operationCases } from "../testing/operationCases.ts"

describe("derivatives are their functions', in double precision", () => {
  it.each(Object.entries(operationCases))("%s", (_, check) => checkInDouble(check))
})

// `cpu` is the interpreter on plain JavaScript, an implementation apart from TensorFlow's.
describe.each([...new Set([fastestEngine, "wasm" as const, "cpu" as const])])(
  "gradients agree with finite differences on %s",
  (engine) => {
    it.each(Object.entries(operationCases))("%s", async (_, check) => checkGradients(await openForTest(engine), check))
  }
)

// What the reference gives is its functions' derivative, as tested above.
describe.each(nativeEngines.filter((engine) => engine !== fastestEngine))(
  "operations and their derivatives on %s are those of the reference",
  (engine) => {
    it.each(Object.entries(operationCases))("%s", async (_, check) =>
      checkAgainstReference(await openForTest(engine), check)
    )
  }
)

it("every operation has its derivative tested", () => {
  const textsIn = (folder: string, ending: string) => {
    const place = new URL(folder, import.meta.url)
    const names = readdirSync(place).filter((name) => name.endsWith(ending))
    return names.map((name) => readFileSync(new URL(name, place), "utf8"))
  }
  const tests = [...textsIn("./", ".test.ts"), ...textsIn("../testing/", "Cases.ts")]
  const operations = textsIn("./", ".ts").flatMap((text) =>
    [...text.matchAll(/export const (\w+) = operation\(/g)].map(([, name]) => name!)
  )
  expect(operations.length).toBeGreaterThan(25)
  expect(operations.filter((name) => !tests.some((text) => text.includes(`${name}(g`)))).toEqual([])
})
