import { readFileSync } from "node:fs"
import { join } from "node:path"
import { bundleFolder } from "../../cli/Places.ts"
import type { PageAssets } from "./sweepHtml.ts"

/** The script and the style of a sweep's page, as the bundle that runs has them. */
export const pageAssets = (): PageAssets => {
  const read = (name: string) => readFileSync(join(bundleFolder(), name), "utf8")
  return { script: read("sweep-page.js"), style: read("sweep-page.css") }
}
