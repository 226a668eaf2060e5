import { createHash } from "node:crypto"
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { afterEach, beforeEach, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"

/** With characters that an address and JSON write otherwise. */
const value = 's3cr3t "of mine"/ß'
const forms = [value, encodeURIComponent(value), encodeURI(value), JSON.stringify(value).slice(1, -1), "s3cr3t"]
const csv = "text,label\none,a\ntwo,b\nthree,a\nfour,b\n"
const sha256 = createHash("sha256").update(csv).digest("hex")

let place: Place
let server: Server
let asked: Array<string>
beforeEach(async () => {
  place = makePlace()
  place.env["HONE_CACHE"] = join(place.folder, "cache")
  place.env["PLACE"] = value
  asked = []
  server = createServer((request, response) => {
    asked.push(decodeURI(request.url!))
    response.writeHead(request.url!.includes("shut") ? 403 : 200).end(csv)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
})
afterEach(() => {
  server.close()
  place.remove()
})

const pipeline = (source: string, test = "0.5") => `name: x
env: { PLACE: { secret: true } }
steps:
  rows: { uses: ingest, with: { source: ${source}, task: text-classification, columns: { text: text, label: label } } }
  parts: { uses: split, in: { rows: rows }, with: { test: ${test} } }
`

const at = (path: string) =>
  `{ source: "http://127.0.0.1:${(server.address() as AddressInfo).port}/${path}/\${env.PLACE}", sha256: ${sha256} }`

/** Names and bytes of all that lies below the folder, but for what the user put there. */
const everythingKept = (): string =>
  ["cache", ".hone"]
    .flatMap((top) =>
      readdirSync(place.folder, { recursive: true, encoding: "utf8" }).filter((name) => name.startsWith(top))
    )
    .map((name) => {
      try {
        return `${name}\n${readFileSync(join(place.folder, name), "latin1")}`
      } catch {
        return name // a folder
      }
    })
    .join("\n")

const expectHidden = (...texts: ReadonlyArray<string>) => {
  for (const form of forms) for (const text of texts) expect(text).not.toContain(form)
}

/** Every command that shows something of a run. */
const allThatIsSaid = async () => {
  const commands = [
    ["run", "x.yaml"],
    ["run", "x.yaml", "--json", "--set", "seed=2"],
    ["plan", "x.yaml", "--json"],
    ["explain", "x.yaml", "rows", "--json"],
    ["show", "x.yaml", "rows", "--json"],
    ["runs", "x.yaml", "--json"]
  ]
  const said: Array<string> = []
  for (const command of commands) {
    const { stderr, stdout } = await place.hone(...command)
    said.push(stdout, stderr)
  }
  return said
}

it("a secret opens a source, and stands nowhere: not in the store, not in the cache, in nothing that is printed", async () => {
  place.write("x.yaml", pipeline(at("open")))
  const said = await allThatIsSaid()
  expect(said.join("\n")).toContain("2 steps ran")
  expect(asked[0]).toBe(`/open/${value}`)
  expectHidden(everythingKept(), ...said)
  // Another value for the same bytes is the same result.
  place.env["PLACE"] = "another"
  expect((await place.run("x.yaml")).stages).toEqual([])
})

it("nor in a fault of the source, nor in the failure of a step", async () => {
  place.write("x.yaml", pipeline(at("shut")))
  const shut = await place.hone("run", "x.yaml")
  expect([shut.code, shut.stderr.includes("answers 403"), shut.stderr.includes("${env.PLACE}")]).toEqual([
    2,
    true,
    true
  ])
  mkdirSync(join(place.folder, value), { recursive: true })
  const rows = join(place.folder, value, "r.csv")
  writeFileSync(rows, csv.replace("two,b", "two"))
  place.write("x.yaml", pipeline('"${env.PLACE}/r.csv"'))
  const failed = await place.hone("run", "x.yaml")
  expect([failed.code, failed.stderr.includes("${env.PLACE}/r.csv:3: ")]).toEqual([1, true])
  renameSync(rows, `${rows}.gone`)
  const gone = await place.hone("run", "x.yaml")
  expect(gone.code).toBe(2)
  expectHidden(everythingKept(), shut.stderr, shut.stdout, failed.stderr, failed.stdout, gone.stderr, gone.stdout)
})

it("nor in what a rerun says that fails", async () => {
  place.env["PLACE"] = place.folder // so that paths of the store hold it
  place.write("r.csv", csv)
  place.write("x.yaml", pipeline('"${env.PLACE}/r.csv"'))
  await place.run("x.yaml")
  for (const blob of readdirSync(join(place.folder, ".hone/cas"), { recursive: true, encoding: "utf8" })) {
    const path = join(place.folder, ".hone/cas", blob)
    if (!statSync(path).isFile()) continue
    chmodSync(path, 0o644)
    writeFileSync(path, Buffer.alloc(statSync(path).size))
  }
  const { code, stderr, stdout } = await place.hone("rerun", "x.yaml", "--check", "100%")
  expect([code, stderr.includes("${env.PLACE}/.hone")]).toEqual([1, true])
  expect(stderr + stdout).not.toContain(place.folder)
})

it("a secret that would change a result is a fault where it is taken, and so is one that is not declared as what it sounds", async () => {
  place.write("x.yaml", pipeline("r.csv", '"${env.PLACE}"'))
  place.write("r.csv", csv)
  const { code, stderr } = await place.hone("plan", "x.yaml")
  expect([code, stderr.split("\n")[0]]).toEqual([
    2,
    "x.yaml:5:59: the secret `PLACE` would change the result: `test` is part of the key"
  ])
  expectHidden(stderr)
  place.env["HF_TOKEN"] = value
  place.write("y.yaml", pipeline("r.csv").replace("{ PLACE: { secret: true } }", "[HF_TOKEN]"))
  const undeclared = await place.hone("plan", "y.yaml")
  expect([undeclared.code, undeclared.stderr.includes("declare it so: HF_TOKEN: { secret: true }")]).toEqual([2, true])
})
