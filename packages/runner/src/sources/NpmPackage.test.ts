import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"
import { locate } from "./Locate.ts"

// npm itself, against a registry on this machine that has one package.
let folder: string
let registry: Server
let requests = 0

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hone-npm-"))
  const made = join(folder, "made/package")
  mkdirSync(join(made, "data"), { recursive: true })
  writeFileSync(join(made, "package.json"), JSON.stringify({ name: "letters", version: "1.2.3" }))
  writeFileSync(join(made, "data/rows.csv"), "text,label\na,b\n")
  execFileSync("tar", ["-czf", join(folder, "letters.tgz"), "-C", join(folder, "made"), "package"])
  const archive = readFileSync(join(folder, "letters.tgz"))
  registry = createServer((request, response) => {
    requests++
    const { port } = registry.address() as AddressInfo
    if (request.url === "/letters.tgz") return response.end(archive)
    if (request.url !== "/letters") return response.writeHead(404).end("{}")
    const dist = {
      tarball: `http://127.0.0.1:${port}/letters.tgz`,
      integrity: `sha512-${createHash("sha512").update(archive).digest("base64")}`
    }
    const versions = { "1.2.3": { name: "letters", version: "1.2.3", dist } }
    return response.end(JSON.stringify({ name: "letters", "dist-tags": { latest: "1.2.3" }, versions }))
  })
  await new Promise<void>((resolve) => registry.listen(0, "127.0.0.1", resolve))
})
afterAll(() => {
  registry.close()
  rmSync(folder, { recursive: true, force: true })
})

const env = () => ({
  ...process.env,
  HONE_CACHE: join(folder, "cache"),
  npm_config_registry: `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`,
  npm_config_cache: join(folder, "npm-cache"),
  npm_config_fetch_retries: "0"
})
const at = (spec: string) =>
  locate(spec, { folder, ownFolder: folder }, { env: env(), signal: new AbortController().signal })
const problem = (spec: string) =>
  at(spec).then(
    () => undefined,
    (error: Error & { hint: string }) => `${error.message}\n${error.hint}`
  )

it("a package with its version is fetched once, and an installed one of that version comes first", async () => {
  const path = await at("npm:letters@1.2.3/data/rows.csv")
  expect(path).toBe(join(folder, "cache/npm/letters/1.2.3/data/rows.csv"))
  expect(readFileSync(path, "utf8")).toBe("text,label\na,b\n")
  expect(readdirSync(join(folder, "cache/npm/letters"))).toEqual(["1.2.3"])
  const asked = requests
  await at("npm:letters@1.2.3/data")
  expect(requests, "the second time nothing is asked").toBe(asked)

  const installed = join(folder, "node_modules/letters")
  mkdirSync(join(installed, "data"), { recursive: true })
  writeFileSync(join(installed, "package.json"), JSON.stringify({ name: "letters", version: "2.0.0" }))
  writeFileSync(join(installed, "data/rows.csv"), "text,label\n")
  expect(await at("npm:letters/data/rows.csv")).toBe(join(installed, "data/rows.csv"))
  expect(await at("npm:letters@1.2.3/data/rows.csv"), "another version is installed").toBe(path)
  expect(await at("npm:letters@2.0.0/data/rows.csv")).toBe(join(installed, "data/rows.csv"))
})

it("what cannot be had says why: not there, no such version, no exact version, not installed, no such file", async () => {
  expect(await problem("npm:lettres@1.2.3/data")).toMatch(
    /`lettres@1.2.3` cannot be fetched: Not Found .*\nlook for a missp/
  )
  expect(await problem("npm:letters@9.9.9/data")).toMatch(
    /`letters@9.9.9` cannot be fetched: No matching version.*\nlook/
  )
  expect(await problem("npm:letters@^1.2/data")).toMatch(/`\^1.2` is no exact version\nwrite one such as @1.2.3/)
  expect(await problem("npm:numerals/data")).toMatch(/`numerals` is not installed\n.*npm:numerals@1.2.3/)
  expect(await problem("npm:letters@1.2.3/dta")).toMatch(/has no `dta`/)
  expect(await problem("npm:../made/package/data/rows.csv")).toMatch(/names no package/)
  expect(await problem("npm:@x/../made@1.2.3/package")).toMatch(/names no package/)
  expect(await problem("npm:letters@1.2.3/../../x")).toMatch(/leads out of the package/)
})
