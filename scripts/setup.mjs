// Makes a clone ready: npm packages, the pinned Node, the tensor engine, the command's bundle. What is there is left alone.
// Plain JavaScript for Node 20 and newer that needs no package, because it runs before there are any.
// Usage: node scripts/setup.mjs [packages|engine|bundle]: with a name, that part is done again whatever its state.
import { existsSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { isBundleFresh } from "./bundle/freshness.mjs"
import { runChild } from "./setup/child.mjs"
import { isEngineFresh, setUpEngine } from "./setup/engine.mjs"
import { withLock } from "./setup/lock.mjs"
import { arePackagesFresh, installPackages, requireRuntime } from "./setup/packages.mjs"
import { pinnedNode, root } from "./setup/places.mjs"
import { say } from "./setup/say.mjs"

const bundles = join(root, "packages", "runner", "bundle")
const parts = {
  packages: { isFresh: () => arePackagesFresh(), make: () => installPackages() },
  engine: { isFresh: () => isEngineFresh(), make: () => setUpEngine() },
  bundle: { isFresh: () => isBundleFresh(root, bundles), make: () => bundle() }
}

try {
  await main(process.argv.slice(2))
} catch (cause) {
  say(cause.message)
  process.exitCode = 1
}

async function main(again) {
  const unknown = again.find((name) => !(name in parts))
  if (unknown) throw new Error(`no part "${unknown}"; write one of: ${Object.keys(parts).join(", ")}`)
  const isReady = () => again.length === 0 && Object.values(parts).every((part) => part.isFresh())
  if (isReady()) return
  const wait = () => say("another set-up is at work in this clone: waiting for it")
  await withLock(root, wait, async () => {
    for (const [name, part] of Object.entries(parts)) {
      // What another set-up did while this one waited is not done again.
      if (again.includes(name) || !part.isFresh()) await part.make()
      if (name === "packages") requireRuntime()
    }
  })
}

async function bundle() {
  const node = existsSync(pinnedNode()) ? pinnedNode() : process.execPath
  const script = fileURLToPath(new URL("bundle.mjs", import.meta.url))
  const { ok, text } = await runChild(node, [script], { show: true })
  if (!ok) throw new Error(`the command could not be bundled: ${text}`)
}
