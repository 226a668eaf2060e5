import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { faulty } from "./support/faulty.ts"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"
import { signal, start, stoppedIn, until } from "./support/processes.ts"
import { flipped, forge, overwrite, pathOfBlob, recordOf, recordsIn } from "./support/store.ts"

const pipeline = `name: small
steps:
  reviews: { uses: ingest, with: { source: r.csv, task: text-classification, columns: { text: text, label: label } } }
  parts: { uses: split, in: { rows: reviews }, with: { test: 0.5, stratify_by: label } }
`
const rows = (n: number) =>
  ["text,label", ...Array.from({ length: n }, (_, i) => `"row number ${i}",${i % 2 === 0 ? "a" : "b"}`)].join("\n")

let place: Place
beforeEach(() => {
  place = makePlace()
  place.write("r.csv", rows(40))
  place.write("small.yaml", pipeline)
})
afterEach(() => place.remove())

describe("a damaged store", () => {
  it("is never served: a file that is cut, emptied, or another step's is made again", async () => {
    for (const damage of [
      (path: string) => (chmodSync(path, 0o644), truncateSync(path, 100)),
      (path: string) => (chmodSync(path, 0o644), truncateSync(path, 0)),
      (path: string) =>
        overwrite(path, () => readFileSync(pathOfBlob(place, recordOf(place, "split").record.outputs["test"]!.blob)))
    ]) {
      await place.run("small.yaml")
      damage(pathOfBlob(place, recordOf(place, "ingest").record.outputs["rows"]!.blob))
      const { code, outcomes } = await place.run("small.yaml", "--set", `seed=${Math.floor(Math.random() * 1e9)}`)
      expect([code, outcomes["parts"]]).toEqual([0, "ran"])
      expect((await place.hone("verify")).code).toBe(0)
    }
  })

  it("a record that was edited is no hit, and verify names it", async () => {
    await place.run("small.yaml")
    const { path } = recordOf(place, "split")
    writeFileSync(path, readFileSync(path, "utf8").replace('"rows_in":40', '"rows_in":41'))
    const verified = await place.hone("verify")
    expect([verified.code, verified.stdout.includes(path)]).toEqual([1, true])
    expect((await place.run("small.yaml")).outcomes).toEqual({ reviews: "hit", parts: "ran" })
    expect((await place.hone("verify")).code).toBe(0)
  })

  it("show refuses a damaged result in words", async () => {
    await place.run("small.yaml")
    overwrite(pathOfBlob(place, recordOf(place, "split").record.outputs["train"]!.blob), flipped)
    const { code, stderr } = await place.hone("show", "small.yaml", "parts")
    expect(code).toBe(1)
    expect(stderr).toContain("not those that were written")
  })
})

describe("two processes on one store", () => {
  const both = async () => {
    const [a, b] = await Promise.all([place.run("small.yaml"), place.run("small.yaml")])
    return [a, b] as const
  }

  it("make each result once", async () => {
    place.write("r.csv", rows(60_000))
    const [a, b] = await both()
    expect([a.code, b.code]).toEqual([0, 0])
    const started = [...a.stages, ...b.stages].filter((stage) => stage === "reviews/ingest")
    expect(started).toHaveLength(1)
    expect(existsSync(join(place.folder, ".hone/drift"))).toBe(false)
    expect(readdirSync(join(place.folder, ".hone/leases"))).toEqual([])
  })
})

describe("what happens while a run is under way", () => {
  it("an edit of the pipeline changes nothing in it, and the next plan sees it", async () => {
    const run = start(place, ["run", "small.yaml"], faulty(place, { at: { call: "mkdtempSync" }, then: "stop" }))
    await until("the runner to stop", () => stoppedIn(place).length > 0)
    place.write("small.yaml", pipeline.replace("test: 0.5", "test: 0.25"))
    signal([run.pid], "SIGCONT")
    expect((await run.exit).code).toBe(0)
    const { record } = recordOf(place, "split")
    expect(record.preimage.params.test).toBe(0.5)
    const plan = await place.hone("plan", "small.yaml")
    expect(plan.stdout).toContain("test: 0.5 -> 0.25")
  })

  it("a touched source is read again only to find that it is the same", async () => {
    await place.run("small.yaml")
    utimesSync(join(place.folder, "r.csv"), new Date(), new Date())
    expect((await place.run("small.yaml")).stages).toEqual([])
  })
})

describe("the shelves", () => {
  it("are a view: without them a plan says maybe as before", async () => {
    await place.run("small.yaml")
    const shelves = join(place.folder, ".hone/shelves")
    place.write("r.csv", `${rows(40)}\n`)
    const verdicts = async () => {
      const { stdout } = await place.hone("plan", "small.yaml", "--json")
      return (JSON.parse(stdout) as { steps: Array<{ verdict: string }> }).steps.map(({ verdict }) => verdict)
    }
    expect(await verdicts()).toEqual(["run", "maybe"])
    rmSync(shelves, { recursive: true })
    expect(await verdicts()).toEqual(["run", "maybe"])
    expect(readdirSync(shelves).sort()).toEqual(["ingest", "split"])
  })
})

describe("hone rerun --check", () => {
  it("makes cached stages again, and says that they came out the same", async () => {
    await place.run("small.yaml")
    const { code, stdout } = await place.hone("rerun", "small.yaml")
    expect([code, stdout.includes("2 of 2 cached stages made again: all came out the same")]).toEqual([0, true])
    expect((await place.hone("rerun", "small.yaml", "--check", "lots")).code).toBe(2)
  })

  it("shows where a result that is not what its key gives differs", async () => {
    await place.run("small.yaml")
    // Another pipeline's split under this one's key: as if the step had not been deterministic.
    await place.run("small.yaml", "--set", "seed=5")
    const splits = recordsIn(place).filter(({ record }) => record.preimage.step.kind === "split")
    const key = (
      JSON.parse((await place.hone("plan", "small.yaml", "--json")).stdout) as { steps: Array<{ key: string }> }
    ).steps[1]!.key
    const own = splits.find(({ record }) => record.key === key)!
    const other = splits.find(({ record }) => record.key !== key)!
    forge(own.path, { ...own.record, outputs: other.record.outputs })
    const { code, stdout } = await place.hone("rerun", "small.yaml", "--json")
    const { checked } = JSON.parse(stdout) as {
      checked: Array<{ step: string; verdict: string; difference?: { column: string; row: number } }>
    }
    expect(code).toBe(1)
    expect(checked.map(({ step, verdict }) => [step, verdict])).toEqual([
      ["reviews", "same"],
      ["parts", "drift"]
    ])
    expect(checked[1]!.difference).toMatchObject({ column: "row_id", row: 0 })
  })
})
