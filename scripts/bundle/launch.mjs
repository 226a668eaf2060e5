// The command's first module: rebuilds a bundle that is older than its sources, then loads it. Bundled to bundle/hone.mjs.
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import module from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { isBundleFresh, readBundle } from "./freshness.mjs"

const bundles = dirname(fileURLToPath(import.meta.url))
const root = join(bundles, "..", "..", "..")

if (!isBundleFresh(root, bundles)) rebuild()
// Compiled code is kept by content: a changed bundle never meets an old entry.
module.enableCompileCache?.(join(root, "node_modules", ".cache", "hone", "v8"))
await import(pathToFileURL(join(bundles, readBundle(bundles).folder, "main.mjs")).href)

/** Edited code must not meet old results: the plan needs the digests of the code that will run. */
function rebuild() {
  if (!existsSync(join(root, "node_modules", "esbuild"))) {
    process.stderr.write("hone: the npm packages are not installed; run: npm run setup\n")
    process.exit(2)
  }
  const { status } = spawnSync(process.execPath, [join(root, "scripts", "bundle.mjs")], {
    stdio: ["ignore", "ignore", "inherit"]
  })
  if (status !== 0) {
    process.stderr.write(
      "hone: the command could not be bundled from its sources (see above); mend them and run again\n"
    )
    process.exit(2)
  }
}
