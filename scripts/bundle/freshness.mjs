// Whether the bundle was made from the sources as they are now. Imports only Node's own modules: the launcher carries a copy.
import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"

/**
 * The description of the newest bundle, or undefined where there is none.
 *
 * @param bundles the folder `packages/runner/bundle`
 * @returns `{ folder, sources: [[path from the root, size in bytes, mtime in ns as text]] }`
 */
export function readBundle(bundles) {
  try {
    return JSON.parse(readFileSync(join(bundles, "sources.json"), "utf8"))
  } catch {
    return undefined
  }
}

/** Size and mtime of each source against those of the bundling: a few milliseconds for some hundred files. */
export function isBundleFresh(root, bundles) {
  const described = readBundle(bundles)
  if (!described || !statSync(join(bundles, described.folder, "main.mjs"), { throwIfNoEntry: false })) return false
  return described.sources.every(([path, size, mtime]) => {
    const stat = statSync(join(root, path), { bigint: true, throwIfNoEntry: false })
    return stat !== undefined && Number(stat.size) === size && String(stat.mtimeNs) === mtime
  })
}
