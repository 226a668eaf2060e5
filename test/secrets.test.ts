import { createHash } from "node:crypto"
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
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

const pipeline = (source: string, test = "0.5", env = "{ PLACE: { secret: true } }") => `name: x
env: ${env}
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
  // Where one stands, with what is around it: the store is long.
  const around = texts.flatMap((text) =>
    forms.flatMap((form) =>
      text.includes(form) ? [text.slice(Math.max(0, text.indexOf(form) - 200)).slice(0, 400)] : []
    )
  )
  expect(around).toEqual([])
}

/** Every command that shows something of a run. */
const allThatIsSaid = async () => {
  const commands = [
    ["run", "x.yaml"],
    ["run", "x.yaml", "--json", "--set", "seed=2"],
    ["plan", "x.yaml", "--json"],
    ["explain", "x.yaml", "rows", "--json"],
    ["show", "x.yaml", "rows", "--json"],
    ["explain", "x.yaml", "parts"],
    ["runs", "x.yaml", "--json"],
    ["rerun", "x.yaml", "--check", "100%"],
    ["gc", "x.yaml"]
  ]
  const said: Array<string> = []
  for (const command of commands) {
    const { stderr, stdout } = await place.hone(...command)
    said.push(stdout, stderr)
  }
  return said
}

it("values of the environment stand nowhere: not in the store, not in the cache, in nothing that is printed", async () => {
  // A secret, a number and a text: the last two may change results.
  const where = 'task: text-classification, where: "${env.CHOICE}"'
  const env = "{ PLACE: { secret: true }, SHARE: null, CHOICE: null }"
  place.write("x.yaml", pipeline(at("open"), '"${env.SHARE}"', env).replace("task: text-classification", where))
  Object.assign(place.env, { SHARE: "0.48731", CHOICE: 'text != "s3cret row"' })
  const said = await allThatIsSaid()
  expect(said.join("\n")).toContain("2 steps ran")
  expect(asked[0]).toBe(`/open/${value}`)
  expectHidden(everythingKept(), ...said)
  expect(statSync(join(place.folder, ".hone", "salt")).mode & 0o777).toBe(0o600)
  // Another secret for the same bytes is the same result; another share is not, and the reason names the variable.
  place.env["PLACE"] = "another"
  expect((await place.run("x.yaml")).stages).toEqual([])
  place.env["SHARE"] = "0.51269"
  const { stdout } = await place.hone("plan", "x.yaml")
  expect(stdout).toMatch(/parts +split +run +test: another value of \$\{env\.SHARE\}/u)
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

it("nor in the faults that they lead to, of a variable that is no secret either", async () => {
  mkdirSync(join(place.folder, "s3cret place"))
  writeFileSync(join(place.folder, "s3cret place", "r.csv"), csv)
  const again = '  again: { uses: split, in: { rows: rows }, with: { test: "${steps.parts.with.test}", seed: 2 } }\n'
  place.write("x.yaml", pipeline('"${env.PLACE}/r.csv"', '"${env.SHARE}"', "[PLACE, SHARE]") + again)
  const sound = { SHARE: "0.48731", PLACE: join(place.folder, "s3cret place") }
  for (const change of [{ SHARE: "70.48731" }, { SHARE: "s3cret share" }, { PLACE: `${sound.PLACE}/none` }]) {
    Object.assign(place.env, sound, change)
    const { code, stderr, stdout } = await place.hone("plan", "x.yaml")
    expect([code, stderr]).toEqual([2, expect.stringContaining("${env.")])
    expectHidden(stderr, stdout)
  }
})

it("a value that may be told counts as if it stood in the file; another one is another store's to tell apart", async () => {
  place.write("r.csv", csv)
  place.env["SHARE"] = "0.48731"
  place.write("x.yaml", pipeline("r.csv", '"${env.SHARE}"', "{ SHARE: { secret: false } }"))
  await place.run("x.yaml")
  expect(everythingKept()).toContain("0.48731")
  place.write("x.yaml", pipeline("r.csv", "0.48731", "[]"))
  expect((await place.run("x.yaml")).stages).toEqual([])

  place.write("x.yaml", pipeline("r.csv", '"${env.SHARE}"', "[SHARE]"))
  const keyHere = async () => {
    const { stdout } = await place.hone("plan", "x.yaml", "--json")
    return (JSON.parse(stdout) as { steps: ReadonlyArray<{ key: string }> }).steps[1]!.key
  }
  const [first, again] = [await keyHere(), await keyHere()]
  rmSync(join(place.folder, ".hone", "salt"))
  expect([again, (await keyHere()) === first]).toEqual([first, false])
})
