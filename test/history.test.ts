import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { PlanJson } from "@hone/core/Contract"
import { Schema } from "effect"
import { afterEach, beforeEach, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"
import { recordOf } from "./support/store.ts"

const rows = (n: number) =>
  ["text,label", ...Array.from({ length: n }, (_, i) => `row number ${i},${i % 2 === 0 ? "a" : "b"}`)].join("\n")

const pipeline = `name: small
steps:
  rows: { uses: ingest, with: { source: r.csv, task: text-classification, columns: { text: text, label: label } } }
  parts: { uses: split, in: { rows: rows }, with: { test: 0.5 } }
`

let place: Place
beforeEach(() => {
  place = makePlace()
  place.write("r.csv", rows(40))
  place.write("small.yaml", pipeline)
})
afterEach(() => place.remove())

const said = async (...args: ReadonlyArray<string>) => (await place.hone(...args)).stdout

it("plan foretells time and memory by the results made most like it, and explain names the nearest", async () => {
  await place.run("small.yaml")
  await place.run("small.yaml", "--set", "parts.test=0.25")
  // What it had to do, so that another number of rows is told another time.
  expect(recordOf(place, "split").record.work).toEqual({ passes: 1, size: 40 })
  const plan = Schema.decodeUnknownSync(PlanJson)(
    JSON.parse(await said("plan", "small.yaml", "--json", "--set", "parts.test=0.4"))
  )
  const { history } = plan.steps[1]!.stages[0]!
  expect(history).toMatchObject({ runs: 2, edits: 1 })
  // A Node with Arrow: more than 30 MB, less than 500.
  expect(history!.peak_memory_bytes! > 30e6 && history!.peak_memory_bytes! < 500e6).toBe(true)
  expect(history!.seconds.least).toBeLessThanOrEqual(history!.seconds.median)
  expect(plan.steps[0]!.stages[0]!.history).toBeNull()
  expect(await said("plan", "small.yaml", "--set", "parts.test=0.4")).toMatch(/by earlier runs \d.* of memory at most/u)
  expect(await said("explain", "small.yaml", "parts", "--set", "parts.test=0.4")).toMatch(
    /one edit away \(test: 0\.25 -> 0\.4\) is a result made (?:just now|a minute ago) in \d/u
  )
  place.write("r.csv", rows(41))
  expect(await said("explain", "small.yaml", "parts")).toMatch(
    /nothing that is known yet parts it from a result made (?:just now|a minute ago) in \d/u
  )
})

it("runs shows of two runs what they have otherwise, and nothing else", async () => {
  await place.run("small.yaml")
  await place.run("small.yaml", "--set", "parts.test=0.25")
  await place.run("small.yaml", "--set", "parts.test=0.25")
  const { runs } = JSON.parse(await said("runs", "small.yaml", "--json")) as { runs: Array<{ id: string }> }
  const [third, second, first] = runs.map(({ id }) => id) as [string, string, string]
  const difference = await said("runs", "small.yaml", first, second)
  expect(difference).toMatch(/parts \(split\) +test: 0\.5 -> 0\.25; train \d+ -> \d+/u)
  expect(difference).not.toContain("ingest")
  expect(await said("runs", "small.yaml", second, third)).toContain("every stage has the same result in both")
  const { stages } = JSON.parse(await said("runs", "small.yaml", first, second, "--json")) as {
    stages: Array<{ step: string; changes: ReadonlyArray<unknown> }>
  }
  expect(stages.map(({ changes, step }) => [step, changes])).toEqual([
    ["parts", [{ field: "params.test", before: 0.5, after: 0.25 }]]
  ])
  expect((await place.hone("runs", "small.yaml", first, "no-such-run")).code).toBe(2)
})

it("explain tells a failure and a drift, without a worker", async () => {
  await place.run("small.yaml")
  const { steps } = JSON.parse(await said("plan", "small.yaml", "--json")) as { steps: Array<{ key: string }> }
  const drift = join(place.folder, ".hone/drift")
  mkdirSync(drift, { recursive: true })
  const record = readFileSync(join(place.folder, ".hone/ac", `${steps[1]!.key}.json`))
  writeFileSync(join(drift, `${steps[1]!.key}-1.json`), record)
  const drifted = await said("explain", "small.yaml", "parts")
  expect(drifted).toContain("made again, it came out otherwise")
  expect(drifted).toContain(readdirSync(drift)[0])
  place.write("r.csv", `${rows(40)}\nragged\n`)
  await place.hone("run", "small.yaml")
  expect(await said("explain", "small.yaml", "rows")).toMatch(
    /failed in \S+: r\.csv:42: 1 fields where the header has 2/u
  )
})
