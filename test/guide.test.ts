import { execFileSync, spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const root = fileURLToPath(new URL("..", import.meta.url))

/** A copy of the sources that shares the installed packages, and whose own packages are its own. */
const copyOfSources = (): string => {
  const copy = mkdtempSync(join(tmpdir(), "hone-guide-"))
  for (const name of [
    "packages",
    "scripts",
    "package.json",
    "package-lock.json",
    "nx.json",
    "tsconfig.base.json",
    "hone"
  ]) {
    cpSync(join(root, name), join(copy, name), {
      recursive: true,
      filter: (path) => !/\/(node_modules|dist|bundle)$/u.test(path) || path.endsWith("scripts/bundle")
    })
  }
  mkdirSync(join(copy, "node_modules"))
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name !== "@hone" && name !== ".cache")
      symlinkSync(join(root, "node_modules", name), join(copy, "node_modules", name))
  }
  mkdirSync(join(copy, "node_modules/@hone"))
  for (const name of readdirSync(join(root, "packages")))
    symlinkSync(join(copy, "packages", name), join(copy, "node_modules/@hone", name))
  return copy
}

/** The fenced blocks of a page that begin by naming their file. */
const filesIn = (page: string): ReadonlyArray<readonly [string, string]> =>
  [...page.matchAll(/^(`{3,})\w*\n(?:\/\/|<!--) (packages\/\S+)(?: -->)?\n([^]*?)^\1$/gmu)].map(([, , path, body]) => [
    path!,
    body!
  ])

describe("docs/guide/adding-a-step.md", () => {
  const page = readFileSync(join(root, "docs/guide/adding-a-step.md"), "utf8")
  let copy: string
  beforeAll(() => {
    copy = copyOfSources()
    for (const [path, body] of filesIn(page)) {
      mkdirSync(dirname(join(copy, path)), { recursive: true })
      writeFileSync(join(copy, path), body)
    }
    const registry = join(copy, "packages/steps/src/registry.ts")
    const text = readFileSync(registry, "utf8")
    writeFileSync(
      registry,
      `import { keepLong } from "./keep-long/index.ts"\n${text.replace(/\[\n?\s*ingest/u, "[keepLong, ingest")}`
    )
    execFileSync(process.execPath, [join(copy, "scripts/bundle.mjs")], { stdio: "pipe" })
  }, 120_000)
  afterAll(() => rmSync(copy, { recursive: true, force: true }))

  const hone = (...args: ReadonlyArray<string>) =>
    spawnSync(join(copy, "hone"), args, { cwd: copy, encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } })

  it("gives a step that the command lists", () => {
    expect(filesIn(page).map(([path]) => path)).toEqual(
      ["index.ts", "run.ts", "README.md"].map((name) => `packages/steps/src/keep-long/${name}`)
    )
    expect(hone("steps").stdout).toContain("keep-long")
    expect(hone("steps", "keep-long").stdout).toContain("Characters that a text must have")
  })

  it("runs in the pipeline of the page, is cached, and its faults are placed", () => {
    const pipeline = /^```yaml\n(name: long-reviews[^]*?)^```$/mu.exec(page)![1]!
    writeFileSync(join(copy, "long.yaml"), pipeline)
    writeFileSync(join(copy, "hone.yaml"), "")
    writeFileSync(join(copy, "reviews.csv"), 'text,label\nshort,bad\n"a review that is long enough, surely",good\n')
    expect(hone("run", "long.yaml").stdout).toContain("2 steps ran")
    expect(JSON.parse(hone("show", "long.yaml", "long", "--json").stdout).counts).toMatchObject({
      rows_in: 2,
      rows_out: 1
    })
    expect(hone("run", "long.yaml").stdout).toContain("0 steps ran, 2 cached")
    expect(hone("plan", "long.yaml", "--set", "long.at_least=0").stderr).toContain(
      "`at_least` must be a value greater than 0, and is 0"
    )
  })

  it("passes the type check", () => {
    const config = {
      extends: "./tsconfig.base.json",
      compilerOptions: { noEmit: true, composite: false, declarationMap: false },
      include: ["packages/steps/src/keep-long/*.ts"]
    }
    writeFileSync(join(copy, "tsconfig.json"), JSON.stringify(config))
    const { status, stdout } = spawnSync(
      process.execPath,
      [join(copy, "scripts/tsc.mjs"), "-p", join(copy, "tsconfig.json")],
      { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }
    )
    expect(stdout.split("\n").filter((line) => line.includes("error"))).toEqual([])
    expect(status).toBe(0)
  }, 120_000)
})
