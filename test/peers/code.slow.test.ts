import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { spawnSync } from "node:child_process"
import type { RunEvent } from "@hone/core/Contract"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Place } from "../support/hone.ts"
import { makePlace } from "../support/hone.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

let place: Place
let clone: string

/** A copy of the clone that may be edited. Packages from outside are linked, its own ones are its own. */
beforeAll(() => {
  place = makePlace()
  clone = join(place.folder, "clone")
  for (const name of [
    "packages",
    "scripts",
    "package.json",
    "package-lock.json",
    "nx.json",
    "hone",
    "tsconfig.base.json"
  ]) {
    const isSource = (path: string) =>
      !/^packages\/\w+\/(?:node_modules|dist|bundle)(?:\/|$)/u.test(relative(root, path))
    cpSync(join(root, name), join(clone, name), { recursive: true, filter: isSource })
  }
  mkdirSync(join(clone, "node_modules/@hone"), { recursive: true })
  for (const name of readdirSync(join(root, "node_modules")))
    if (name !== "@hone" && name !== ".cache")
      symlinkSync(join(root, "node_modules", name), join(clone, "node_modules", name))
  for (const name of readdirSync(join(clone, "packages")))
    symlinkSync(join(clone, "packages", name), join(clone, "node_modules/@hone", name))
  mkdirSync(join(clone, "node_modules/.cache/hone"), { recursive: true })
  for (const name of readdirSync(join(root, "node_modules/.cache/hone"))) {
    const path = join(root, "node_modules/.cache/hone", name)
    if (name.endsWith(".json") && existsSync(path)) cpSync(path, join(clone, "node_modules/.cache/hone", name))
  }
  const bundled = spawnSync(process.execPath, [join(clone, "scripts/bundle.mjs")], { encoding: "utf8" })
  expect([bundled.status, bundled.stderr]).toEqual([0, ""])
  place.write("r.csv", ["text,label", ...Array.from({ length: 20 }, (_, i) => `row ${i},${i % 2}`)].join("\n"))
  place.write(
    "small.yaml",
    `name: small
steps:
  reviews: { uses: ingest, with: { source: r.csv, task: text-classification, columns: { text: text, label: label } } }
  parts: { uses: split, in: { rows: reviews }, with: { test: 0.5, stratify_by: label } }
`
  )
})
afterAll(() => place.remove())

const run = (): Readonly<Record<string, readonly [outcome: string, reason: string]>> => {
  const { status, stderr, stdout } = spawnSync(join(clone, "hone"), ["run", "small.yaml", "--json"], {
    cwd: place.folder,
    encoding: "utf8",
    env: { ...process.env, NODE_OPTIONS: "" }
  })
  expect([status, stderr]).toEqual([0, ""])
  const events = stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as RunEvent)
  return Object.fromEntries(
    events.flatMap((event) => (event.event === "step" ? [[event.name, [event.outcome, event.reason]]] : []))
  )
}

const edit = (name: string, from: string | RegExp, to: string): void => {
  const path = join(clone, name)
  const text = readFileSync(path, "utf8")
  expect(text).toMatch(from)
  writeFileSync(path, text.replace(from, to))
}

describe("ZenML #1011, #3993, Metaflow #61", () => {
  it("step code changed, not noticed: code runs what reaches it and says so; a comment and a package that it does not use run nothing", () => {
    expect(Object.values(run()).map(([outcome]) => outcome)).toEqual(["ran", "ran"])

    edit("packages/steps/src/split/run.ts", /^/u, "// A thought about splitting.\n\n")
    edit("packages/steps/src/ingest/census.ts", /^/u, "/* and one about reading */\n")
    const version = /("node_modules\/vitest": \{\s*"version": ")[^"]+/u
    edit("package-lock.json", version, "$199.0.0")
    expect(Object.values(run()).map(([outcome]) => outcome)).toEqual(["hit", "hit"])

    // A function of split's own, whose result stays the same.
    edit(
      "packages/steps/src/split/run.ts",
      "export const run = ",
      'export const run = globalThis.process?.env["NOTHING"] === "" ? (undefined as never) : '
    )
    const edited = run()
    expect([edited["reviews"]![0], edited["parts"]![0]]).toEqual(["hit", "ran"])
    expect(edited["parts"]![1]).toMatch(/code/u)

    // A package that both use.
    edit("package-lock.json", /("node_modules\/apache-arrow": \{\s*"version": ")[^"]+/u, "$199.0.0")
    const updated = run()
    expect([updated["reviews"]![0], updated["parts"]![0]]).toEqual(["ran", "ran"])
  })
})
