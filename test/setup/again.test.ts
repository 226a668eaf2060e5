import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, it } from "vitest"
import { isBundleFresh } from "../../scripts/bundle/freshness.mjs"
import { isEngineFresh } from "../../scripts/setup/engine.mjs"
import { arePackagesFresh } from "../../scripts/setup/packages.mjs"

const root = fileURLToPath(new URL("../..", import.meta.url))

it("a second set-up is quick and silent", ({ skip }) => {
  const isReady = arePackagesFresh() && isEngineFresh() && isBundleFresh(root, join(root, "packages/runner/bundle"))
  if (!isReady) skip("this clone is not set up, or its sources were edited since: npm run setup")
  const began = performance.now()
  const { status, stderr, stdout } = spawnSync(process.execPath, [join(root, "scripts/setup.mjs")], {
    encoding: "utf8"
  })
  assert.deepStrictEqual([status, stdout, stderr], [0, "", ""])
  assert.isBelow(performance.now() - began, 1500, "0.15 s on an idle machine; npm ci alone would take 20 s")
})
