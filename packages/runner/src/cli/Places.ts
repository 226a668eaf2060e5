import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const here = dirname(fileURLToPath(import.meta.url))

/** The folder of Hone itself: the nearest above this module that holds `nx.json`. */
export const ownFolder = (): string => {
  for (let folder = here; dirname(folder) !== folder; folder = dirname(folder)) {
    if (existsSync(join(folder, "nx.json"))) return folder
  }
  return here
}

/** The folder of the bundle that runs, with the worker and the implementation digests; from sources, the newest bundle's. */
export const bundleFolder = (): string => {
  if (existsSync(join(here, "worker.mjs"))) return here
  const bundles = join(ownFolder(), "packages", "runner", "bundle")
  const { folder } = JSON.parse(readFileSync(join(bundles, "sources.json"), "utf8")) as { folder: string }
  return join(bundles, folder)
}
