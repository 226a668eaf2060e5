import { spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const root = fileURLToPath(new URL("..", import.meta.url))

/** The fenced blocks of a page that begin by naming their file. */
const filesIn = (page: string): ReadonlyArray<readonly [string, string]> =>
  [...page.matchAll(/^```ts\n\/\/ (packages\/\S+)\n([^]*?)^```$/gmu)].map(([, path, body]) => [path!, body!])

describe("docs/guide/adding-an-operation.md", () => {
  const files = filesIn(readFileSync(join(root, "docs/guide/adding-an-operation.md"), "utf8"))
  let copy: string

  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), "hone-operation-"))
    for (const name of ["package.json", "tsconfig.base.json", "vitest.config.ts", "scripts", "packages/nn"]) {
      const filter = (path: string) => !/\/(node_modules|dist)$/u.test(path)
      cpSync(join(root, name), join(copy, name), { recursive: true, filter })
    }
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"))
    for (const [path, body] of files) writeFileSync(join(copy, path), body)
  })
  afterAll(() => rmSync(copy, { recursive: true, force: true }))

  const run = (...args: ReadonlyArray<string>) => {
    const env = { ...process.env, NO_COLOR: "1" }
    return spawnSync(process.execPath, args, { cwd: copy, encoding: "utf8", env })
  }

  it("gives an operation that passes the tests of the page", () => {
    expect(files.map(([path]) => path)).toEqual(
      ["squaredRelu.ts", "squaredRelu.test.ts"].map((name) => `packages/nn/src/ops/${name}`)
    )
    const { stderr, stdout } = run("node_modules/vitest/vitest.mjs", "run", "packages/nn/src/ops/squaredRelu.test.ts")
    expect(`${stdout}${stderr}`).toMatch(/Tests {2}[46] passed/u)
  }, 120_000)

  it("passes the type check", () => {
    const config = {
      extends: "./tsconfig.base.json",
      compilerOptions: { noEmit: true, composite: false, declarationMap: false },
      include: ["packages/nn/src/ops/squaredRelu*.ts"]
    }
    writeFileSync(join(copy, "tsconfig.json"), JSON.stringify(config))
    const { status, stdout } = run("scripts/tsc.mjs", "-p", "tsconfig.json")
    expect(stdout.split("\n").filter((line) => line.includes("error"))).toEqual([])
    expect(status).toBe(0)
  }, 120_000)
})
