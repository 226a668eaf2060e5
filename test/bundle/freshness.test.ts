import { rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "vitest"
import { isBundleFresh } from "../../scripts/bundle/freshness.mjs"
import { temporaryFolder, writeFiles } from "../setup/temporary.ts"

/** A clone with one source, and a bundle made from it. */
function clone() {
  const root = temporaryFolder()
  const bundles = join(root, "bundle")
  writeFiles(root, { "src/a.ts": "1", "bundle/abc/main.mjs": "" })
  const { mtimeNs, size } = statSync(join(root, "src/a.ts"), { bigint: true })
  const described = { folder: "abc", sources: [["src/a.ts", Number(size), String(mtimeNs)]] }
  writeFileSync(join(bundles, "sources.json"), JSON.stringify(described))
  return { root, bundles, source: join(root, "src/a.ts") }
}

it("a bundle is fresh until a source is edited, touched or removed", () => {
  const { bundles, root, source } = clone()
  assert.isTrue(isBundleFresh(root, bundles))
  utimesSync(source, 1, 1)
  assert.isFalse(isBundleFresh(root, bundles))

  const edited = clone()
  writeFileSync(edited.source, "12")
  assert.isFalse(isBundleFresh(edited.root, edited.bundles))

  const removed = clone()
  rmSync(removed.source)
  assert.isFalse(isBundleFresh(removed.root, removed.bundles))
})

it("there is no fresh bundle before the first, nor where its code is gone", () => {
  const root = temporaryFolder()
  assert.isFalse(isBundleFresh(root, join(root, "bundle")))
  const gone = clone()
  rmSync(join(gone.bundles, "abc"), { recursive: true })
  assert.isFalse(isBundleFresh(gone.root, gone.bundles))
})
