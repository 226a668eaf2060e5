import { mkdirSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "vitest"
import { implementationDigests } from "../../scripts/bundle/implementation.mjs"
import { temporaryFolder, writeFiles } from "../setup/temporary.ts"

const manifest = (name: string) =>
  JSON.stringify({ name: `@hone/${name}`, type: "module", exports: { "./*": "./src/*.ts" }, sideEffects: false })

/** A small workspace: two steps over one helper of their own and one of core; `train` may load a model. */
function workspace(): string {
  const root = temporaryFolder()
  writeFiles(root, {
    "packages/core/package.json": manifest("core"),
    "packages/core/src/math.ts": "export const half = (x: number): number => x / 2\nexport const unused = () => 1\n",
    "packages/steps/package.json": manifest("steps"),
    "packages/steps/src/registry.ts":
      'export const steps = { split: () => import("./split/run.ts"), train: () => import("./train/run.ts") }\n',
    "packages/steps/src/split/run.ts":
      'import { shuffle } from "./shuffle.ts"\nexport const run = (rows: Array<number>) => shuffle(rows)\n',
    "packages/steps/src/split/shuffle.ts":
      'import { half } from "@hone/core/math"\n/** Turns rows round. */\nexport const shuffle = (rows: Array<number>): Array<number> => rows.map(half).toReversed()\n',
    "packages/steps/src/train/run.ts":
      'import { table } from "arrow"\nimport { half } from "@hone/core/math"\nexport const run = async () => [table, half(2), await import("../models/bert.ts")]\n',
    "packages/steps/src/models/bert.ts": "export const layers = 6\n"
  })
  mkdirSync(join(root, "node_modules/@hone"), { recursive: true })
  symlinkSync(join(root, "packages/core"), join(root, "node_modules/@hone/core"))
  return root
}

const lock = (version: string, deep = "1.0.0") => ({
  packages: {
    "node_modules/arrow": { version, dependencies: { deep: "^1" } },
    "node_modules/arrow/node_modules/deep": { version: deep },
    "node_modules/deep": { version: "9.0.0" }
  }
})

async function digests(root: string, locked = lock("1.0.0")): Promise<Record<string, string>> {
  const modules = await implementationDigests(root, [join(root, "packages/steps/src/registry.ts")], locked)
  return Object.fromEntries(Object.entries(modules).map(([part, { digest }]) => [part, digest]))
}

/** Names of the parts whose digest differs. */
function changed(before: Record<string, string>, after: Record<string, string>): Array<string> {
  return Object.keys(after).filter((part) => before[part] !== after[part])
}

it("has one part for each dynamic import, and names the parts that it may load", async () => {
  const root = workspace()
  const modules = await implementationDigests(root, [join(root, "packages/steps/src/registry.ts")], lock("1.0.0"))
  assert.deepStrictEqual(
    Object.entries(modules).map(([part, { imports }]) => [part, imports]),
    [
      ["steps/models/bert", []],
      ["steps/split/run", []],
      ["steps/train/run", ["steps/models/bert"]]
    ]
  )
})

it("a comment, white space, a type or unused code changes nothing", async () => {
  const root = workspace()
  const before = await digests(root)
  writeFiles(root, {
    "packages/core/src/math.ts":
      "// halves\n\nexport const half = (\n  x: number | 4\n) =>\n  x / 2 // exact\nexport const unused = () => 2\nexport interface Later {}\n"
  })
  assert.deepStrictEqual(await digests(root), before)
})

it("edited code changes exactly the parts that reach it", async () => {
  const root = workspace()
  const before = await digests(root)
  writeFiles(root, { "packages/steps/src/split/shuffle.ts": "export const shuffle = (rows: Array<number>) => rows\n" })
  const shuffled = await digests(root)
  assert.deepStrictEqual(changed(before, shuffled), ["steps/split/run"])

  writeFiles(root, { "packages/steps/src/models/bert.ts": "export const layers = 12\n" })
  const deeper = await digests(root)
  assert.deepStrictEqual(changed(shuffled, deeper), ["steps/models/bert"])

  writeFiles(root, { "packages/core/src/math.ts": "export const half = (x: number) => x * 0.5\n" })
  assert.deepStrictEqual(changed(deeper, await digests(root)), ["steps/train/run"])
})

it("another version of an npm package, or of what it depends on, changes the parts that use it", async () => {
  const root = workspace()
  const before = await digests(root)
  assert.deepStrictEqual(changed(before, await digests(root, lock("1.0.1"))), ["steps/train/run"])
  assert.deepStrictEqual(changed(before, await digests(root, lock("1.0.0", "1.0.1"))), ["steps/train/run"])
  const unrelated = lock("1.0.0")
  unrelated.packages["node_modules/deep"].version = "9.0.1"
  assert.deepStrictEqual(await digests(root, unrelated), before)
})

it("does not hang on where the clone lies", async () => {
  assert.deepStrictEqual(await digests(workspace()), await digests(workspace()))
})
