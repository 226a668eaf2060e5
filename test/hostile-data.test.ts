import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { afterEach, beforeEach, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"

let place: Place
beforeEach(() => void (place = makePlace()))
afterEach(() => place.remove())

const put = (name: string, bytes: string | Uint8Array) => writeFileSync(join(place.folder, name), bytes)

const ingest = (source: string) =>
  `{ uses: ingest, with: { source: ${JSON.stringify(source)}, task: text-classification, columns: { text: text, label: label } } }`

const pipeline = (steps: Readonly<Record<string, string>>) =>
  `name: x\nsteps:\n${Object.entries(steps)
    .map(([name, step]) => `  ${name}: ${step}\n`)
    .join("")}`

/** Files below the store: of an empty one, those that say what was looked at and what ran. */
const kept = () =>
  ["cas", "ac", "attempts", "leases"].flatMap((name) => {
    const folder = join(place.folder, ".hone", name)
    return existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : []
  })

it("every hostile source of a pipeline fails with its place, exit code 1, and nothing is committed", async () => {
  put("ragged.csv", "text,label\na,b\nc\n")
  put("nul.csv", `text,label\n${"a,b\n".repeat(30_000)}x\0,b\n`)
  put("cut.jsonl", '{"text":"a","label":"b"}\n{"text":"c","la')
  put(
    "cut.gz",
    gzipSync(`text,label\n${Array.from({ length: 9000 }, (_, at) => `row ${at},b`).join("\n")}`).subarray(0, 400)
  )
  put("two\nlines \u001b[2J.csv", "text,label\na,b\nc\n")
  const model = join(place.folder, "model")
  cpSync(fileURLToPath(new URL("golden/tiny-families/bert", import.meta.url)), model, { recursive: true })
  writeFileSync(join(model, "tokenizer.json"), "{")
  put(
    "x.yaml",
    pipeline({
      ragged: ingest("ragged.csv"),
      nul: ingest("nul.csv"),
      cut: ingest("cut.jsonl"),
      gzip: ingest("cut.gz"),
      odd: ingest("two\nlines \u001b[2J.csv"),
      model: "{ uses: base, with: { model: model } }"
    })
  )
  const { code, stderr } = await place.hone("run", "x.yaml")
  expect(code).toBe(1)
  for (const said of [
    "ragged failed: ragged.csv:3: 1 fields where the header has 2",
    "nul failed: nul.csv:30002: the line holds a NUL character",
    "cut failed: cut.jsonl:2: not JSON",
    "gzip failed: cut.gz:1: the gzip data is damaged or cut off",
    "model failed: tokenizer.json cannot be used"
  ])
    expect(stderr).toContain(said)
  // What a name holds does nothing to a terminal.
  expect(stderr).not.toContain("\u001b[2J")
  expect(kept()).toEqual([])
})

it("what cannot be looked at, and paths that lead away, are faults of the plan", async () => {
  put("utf16.csv", Buffer.from("text,label\na,b\n", "utf16le"))
  put("mark.parquet", "PAR1")
  mkdirSync(join(place.folder, "node_modules/data"), { recursive: true })
  symlinkSync("/etc/hostname", join(place.folder, "node_modules/data/link.csv"))
  mkdirSync(join(place.folder, "folder/neg"), { recursive: true })
  put("folder/neg/a.txt", "bad")
  symlinkSync("/etc/hostname", join(place.folder, "folder/neg/b.txt"))
  symlinkSync("a.txt", join(place.folder, "folder/neg/inside.txt"))
  const sources = [
    "folder",
    "folder/*/b.*",
    "utf16.csv",
    "mark.parquet",
    "npm:data/../../secret.csv",
    "npm:data/link.csv",
    "npm:../data",
    "file:///etc/hostname",
    "/nowhere/a.csv",
    "a\0b.csv"
  ]
  put("x.yaml", pipeline(Object.fromEntries(sources.map((source, at) => [`s${at}`, ingest(source)]))))
  const { code, stderr } = await place.hone("plan", "x.yaml")
  expect(code).toBe(2)
  const places = [...stderr.matchAll(/^x\.yaml:(\d+):\d+: (.*)$/gmu)].map(([, line]) => Number(line))
  expect(places).toEqual(sources.map((_, at) => at + 3))
  for (const said of [
    "NUL bytes",
    "the Parquet file is damaged or cut off",
    "leads out of the package",
    "is a link out of the package",
    "`folder` cannot be read: neg/b.txt is a link out of the folder"
  ])
    expect(stderr).toContain(said)
  expect(stderr).toMatch(/^x\.yaml:4:39: .*neg\/b\.txt is a link out of the folder/mu)
})

it("a kind that names code of its own is no step: a pipeline runs what is registered", async () => {
  put("evil.mjs", 'import { writeFileSync } from "node:fs"\nwriteFileSync("ran", "")\n')
  for (const uses of ["./evil.mjs", "file:evil.mjs", "__proto__", "constructor", "ingest/../evil"]) {
    put("x.yaml", pipeline({ a: `{ uses: ${JSON.stringify(uses)} }` }))
    const { code, stderr } = await place.hone("run", "x.yaml")
    expect([uses, code, stderr.includes("no step kind")]).toEqual([uses, 2, true])
  }
  expect(existsSync(join(place.folder, "ran"))).toBe(false)
})
