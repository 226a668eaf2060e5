import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, readFileSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, it } from "vitest"
import { temporaryFolder, writeFiles } from "../setup/temporary.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** A small clone with the real launcher and bundler, and a command that prints a word. */
function clone(): string {
  const folder = temporaryFolder()
  for (const path of ["hone", "scripts", "packages/runner/bin"]) {
    cpSync(join(root, path), join(folder, path), { recursive: true })
  }
  writeFiles(folder, {
    "package-lock.json": JSON.stringify({ packages: {} }),
    "packages/runner/src/main.ts":
      'import { word } from "./word.ts"\nconsole.log(word, process.argv.slice(2).join(" "))\n',
    "packages/runner/src/word.ts": 'export const word: string = "one"\n',
    "packages/runner/src/worker/main.ts": "export {}\n",
    "packages/runner/src/sweep/page/main.ts": "export {}\n",
    "packages/steps/src/registry.ts": "export const registry = {}\n"
  })
  mkdirSync(join(folder, "node_modules"))
  for (const name of ["esbuild", "@esbuild"]) {
    symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name))
  }
  return folder
}

function hone(folder: string, ...args: Array<string>) {
  // The clone has no pinned Node of its own: the test's is put first.
  const PATH = `${join(process.execPath, "..")}:${process.env["PATH"]}`
  return spawnSync(join(folder, "hone"), args, { encoding: "utf8", env: { ...process.env, PATH } })
}

function bundle(folder: string): void {
  const { status, stderr } = spawnSync(process.execPath, [join(folder, "scripts/bundle.mjs")], { encoding: "utf8" })
  assert.strictEqual(status, 0, stderr)
}

it("before set-up the command says what to run", () => {
  const { status, stderr } = hone(clone(), "run", "x.yaml")
  assert.strictEqual(status, 2)
  assert.match(stderr, /npm run setup/)
})

it("edited code is bundled again before it runs", () => {
  const folder = clone()
  bundle(folder)
  assert.strictEqual(hone(folder, "a", "b").stdout, "one a b\n")
  writeFiles(folder, { "packages/runner/src/word.ts": 'export const word: string = "two"\n' })
  assert.strictEqual(hone(folder, "c").stdout, "two c\n")
})

it("a bundle that a run may still be loading from is left as it is", () => {
  const folder = clone()
  bundle(folder)
  const bundles = join(folder, "packages/runner/bundle")
  const place = () => JSON.parse(readFileSync(join(bundles, "sources.json"), "utf8")).folder
  const first = place()
  const before = readFileSync(join(bundles, first, "main.mjs"), "utf8")
  writeFiles(folder, { "packages/runner/src/word.ts": 'export const word: string = "two"\n' })
  hone(folder)
  assert.notStrictEqual(place(), first)
  assert.strictEqual(readFileSync(join(bundles, first, "main.mjs"), "utf8"), before)
})

it("code that cannot be bundled is reported with its place, and no old code runs instead", () => {
  const folder = clone()
  bundle(folder)
  writeFiles(folder, { "packages/runner/src/word.ts": "export const word = (\n" })
  const { status, stderr, stdout } = hone(folder)
  assert.strictEqual(status, 2)
  assert.strictEqual(stdout, "")
  assert.match(stderr, /word\.ts:\d+:\d+/)
})
