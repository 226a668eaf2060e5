// Runs one lane of tests and ends on a line alone: "N passed, N failed".
// Usage: node scripts/test.mjs fast|slow [arguments for vitest]
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { readJson } from "./setup/files.mjs"
import { pinnedNode, root } from "./setup/places.mjs"
import { count } from "./test/count.mjs"

const [lane, ...rest] = process.argv.slice(2)
if (lane !== "fast" && lane !== "slow") {
  console.error("node scripts/test.mjs fast|slow")
  process.exit(2)
}

// Vitest runs once over all packages, outside Nx: a replayed result would be an old result. `nx test PACKAGE` is for daily work.
const folder = mkdtempSync(join(tmpdir(), "hone-test-"))
const results = join(folder, "results.json")
const vitest = join(root, "node_modules", "vitest", "vitest.mjs")
const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${results}`]
// In a fresh clone the shell that ran set-up goes on with the Node it found before: tests need the one that set-up put in place.
const node = existsSync(pinnedNode()) ? pinnedNode() : process.execPath
const { status } = spawnSync(node, [vitest, "run", ...reporters, ...rest], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, HONE_LANE: lane, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ""}` }
})
const counts = count(readJson(results), status ?? 1)
rmSync(folder, { recursive: true, force: true })

if (counts.skipped > 0) console.log(`${counts.skipped} skipped`)
console.log(`${counts.passed} passed, ${counts.failed} failed`)
process.exit(counts.failed > 0 ? 1 : 0)
