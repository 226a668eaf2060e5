import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "vitest"
import { float64, utf8 } from "./columns.ts"
import { firstDifference } from "./difference.ts"
import { readTable } from "./reader.ts"
import { writeTable } from "./writer.ts"

const folder = mkdtempSync(join(tmpdir(), "hone-difference-"))
let made = 0
const table = (names: ReadonlyArray<string>, values: ReadonlyArray<number>) => {
  const file = `${made++}.arrow`
  const { blob } = writeTable(
    folder,
    file,
    { name: utf8(names), value: float64(Float64Array.from(values)) },
    { facts: {} }
  )
  return readTable({ path: join(folder, file), blob })
}

it("names the first column and row that differ, and how far numbers are apart", () => {
  const base = table(["a", "b", "c"], [1, 2, 300])
  assert.isUndefined(firstDifference(base, table(["a", "b", "c"], [1, 2, 300])))
  assert.deepStrictEqual(firstDifference(base, table(["a", "b", "c"], [1, 2.5, 303])), {
    column: "value",
    row: 1,
    first: "2",
    second: "2.5",
    relative: 0.25
  })
  assert.deepStrictEqual(firstDifference(base, table(["a", "x", "c"], [1, 2, 300])), {
    column: "name",
    row: 1,
    first: "b",
    second: "x",
    relative: 0
  })
  assert.strictEqual(firstDifference(base, table(["a", "b"], [1, 2]))!.row, -1)
  rmSync(folder, { recursive: true })
})
