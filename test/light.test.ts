import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { contentsIn, filesIn } from "./support/store.ts"
import { makeTwoSteps } from "./support/twoSteps.ts"

it("a light stage whose thread ends under it runs in a process, and gives the same", async () => {
  const place = makeTwoSteps()
  expect((await place.run("small.yaml")).code).toBe(0)
  const straight = contentsIn(place)
  // The thread ends when the split has begun to write: what it wrote must not be in the way of the process.
  const preload = join(place.folder, "ends.mjs")
  writeFileSync(
    preload,
    `import fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { isMainThread } from "node:worker_threads"
const { writeSync } = fs
if (!isMainThread) {
  fs.writeSync = (...args) => (writeSync(...args), process.exit(1))
  syncBuiltinESMExports()
}
`
  )
  const other = makeTwoSteps()
  other.env["NODE_OPTIONS"] = `--import ${preload}`
  const run = await other.run("small.yaml")
  expect([run.code, run.outcomes["parts"]]).toEqual([0, "ran"])
  expect(contentsIn(other)).toEqual(straight)
  expect(filesIn(other, "attempts")).toEqual([])
  place.remove()
  other.remove()
})
