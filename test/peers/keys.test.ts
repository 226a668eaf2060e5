import { cpSync, mkdirSync, renameSync, rmSync, utimesSync } from "node:fs"
import { join } from "node:path"
import { PlanJson } from "@hone/core/Contract"
import { Schema } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { faulty } from "../support/faulty.ts"
import type { Place } from "../support/hone.ts"
import { makePlace } from "../support/hone.ts"
import { signal, start, stoppedIn, until } from "../support/processes.ts"
import { filesIn } from "../support/store.ts"
import { tinyJob, writeTinyJob } from "../support/tinyJob.ts"
import { makeTwoSteps, pipeline, rows } from "../support/twoSteps.ts"

// One test for each fault that was seen in DVC, Snakemake, Nx, Turborepo and their kin, named after it: here those of keys.

let place: Place
beforeEach(() => {
  place = makeTwoSteps()
})
afterEach(() => place.remove())

const planOf = async (where: Place, file: string) => {
  const { stdout } = await where.hone("plan", file, "--json")
  return Schema.decodeUnknownSync(PlanJson, { onExcessProperty: "error" })(JSON.parse(stdout)).steps
}

describe("DVC #11058, Turborepo #1146, Nx #8828, Bazel #3360", () => {
  it("an input edited while the step runs: its result is never filed under inputs that it was not made from", async () => {
    // The runner stops where the plan is made and the worker has not opened the source.
    const run = start(place, ["run", "small.yaml"], faulty(place, { at: { call: "mkdtempSync" }, then: "stop" }))
    await until("the runner to stop", () => stoppedIn(place).length > 0)
    place.write("r.csv", rows(10))
    place.write("small.yaml", pipeline.replace("test: 0.5", "test: 0.2"))
    signal(stoppedIn(place), "SIGCONT")
    expect((await run.exit).code).toBe(0)
    expect(run.text()).toContain("r.csv changed after the run had started")
    expect(filesIn(place, "ac")).toHaveLength(1) // of the split, which hangs on content
    // What the edited file asks for has not been made: neither of these rows, nor of these params.
    place.write("r.csv", rows(40))
    expect((await place.run("small.yaml")).outcomes).toEqual({ reviews: "ran", parts: "ran" })
    place.write("r.csv", rows(10))
    expect((await place.run("small.yaml")).outcomes).toEqual({ reviews: "ran", parts: "ran" })
  })
})

describe("Snakemake --cache", () => {
  it("train and test swapped: another key, and never the other's result", async () => {
    writeTinyJob(place.folder)
    const job = tinyJob("epochs: 1").replace(/^ {2}after:.*$/mu, "")
    place.write("tiny.yaml", job)
    expect((await place.run("tiny.yaml")).code).toBe(0)
    const before = (await planOf(place, "tiny.yaml")).at(-1)!
    expect(before.verdict).toBe("hit")
    const swapped = job.replace(
      "train: parts.train, validation: parts.validation",
      "train: parts.validation, validation: parts.train"
    )
    place.write("tiny.yaml", swapped)
    const after = (await planOf(place, "tiny.yaml")).at(-1)!
    expect(after.verdict).toBe("run")
    expect(after.key).not.toBe(before.key)
  })
})

describe("Nx, Turborepo, Snakemake, Dagster #14842", () => {
  it("upstream ran again with the same content: what follows is cut off, as the plan had said it might be", async () => {
    await place.run("small.yaml")
    place.write("r.csv", `${rows(40)}\n`.replace("text,label", '"text","label"'))
    expect((await planOf(place, "small.yaml")).map(({ key, verdict }) => [verdict, key === null])).toEqual([
      ["run", false],
      ["maybe", true]
    ])
    expect((await place.run("small.yaml")).outcomes).toEqual({ reviews: "ran", parts: "cut_off" })
  })
})

describe("Nextflow #3827, #1629, Snakemake #1677, DVC #11097", () => {
  it("the same content under another path, at another time, in another clone: a hit", async () => {
    await place.run("small.yaml")
    mkdirSync(join(place.folder, "data"))
    renameSync(join(place.folder, "r.csv"), join(place.folder, "data/s.csv"))
    place.write("small.yaml", pipeline.replace("r.csv", "data/s.csv"))
    utimesSync(join(place.folder, "data/s.csv"), new Date(0), new Date(0))
    expect((await place.run("small.yaml")).stages).toEqual([])
    const clone = makePlace()
    cpSync(place.folder, clone.folder, { recursive: true })
    rmSync(join(clone.folder, ".hone/memo"), { recursive: true })
    expect((await clone.run("small.yaml")).stages).toEqual([])
    clone.remove()
  })
})

describe("Snakemake #1694, DVC #6078, #9518", () => {
  it("comment, white space, key order, 1e-3 for 0.001, a default written out, another name: no key changes", async () => {
    const keys = async (text: string) => {
      place.write("small.yaml", text)
      return (await planOf(place, "small.yaml")).flatMap(({ stages }) => stages.map(({ key }) => key))
    }
    await place.run("small.yaml")
    const before = await keys(pipeline)
    expect(before).not.toContain(null)
    expect(
      await keys(`# a thought
steps:

  sides:
    with: { stratify_by: label, test: 5e-1, validation: 0 }   # none is held out, as by default
    in: { rows: lines }
    uses: split
  lines: { with: { columns: { label: label, text: text }, task: text-classification, source: ./r.csv }, uses: ingest }
name: another
`)
    ).toEqual(before)
  })
})

describe("Nx #18754, #22530, Turborepo #4494", () => {
  it("why did this run again: the field, its old value and its new one, of the step where it began", async () => {
    await place.run("small.yaml")
    place.write("small.yaml", pipeline.replace("test: 0.5", "test: 0.4"))
    expect((await place.hone("explain", "small.yaml", "parts")).stdout).toContain("test: 0.5 -> 0.4")
    place.write("r.csv", rows(41))
    const { stdout } = await place.hone("explain", "small.yaml", "parts")
    expect(stdout).toContain("waits for reviews")
    expect(stdout).toContain("the bytes of source changed")
  })
})
