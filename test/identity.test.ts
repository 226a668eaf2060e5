import { existsSync } from "node:fs"
import { join } from "node:path"
import { FaultsJson, PlanJson, ShowJson } from "@hone/core/Contract"
import { Schema } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"

const rows = (n: number) =>
  [
    "text,label",
    ...Array.from(
      { length: n },
      (_, i) => `"review number ${i}, it was ${i % 2 === 0 ? "good" : "bad"}",${i % 2 === 0 ? "pos" : "neg"}`
    )
  ].join("\n")

const pipeline = `name: small
seed: 5
steps:
  reviews: { uses: ingest, with: { source: data/reviews.csv, task: text-classification, columns: { text: text, label: label } } }
  parts: { uses: split, in: { rows: reviews }, with: { validation: 0.2, test: 0.2, stratify_by: label } }
`

let place: Place
beforeEach(() => {
  place = makePlace()
  place.write("data/reviews.csv", rows(40))
  place.write("small.yaml", pipeline)
})
afterEach(() => place.remove())

describe("what runs again", () => {
  it("nothing, when nothing changed", async () => {
    expect((await place.run("small.yaml")).outcomes).toEqual({ reviews: "ran", parts: "ran" })
    const again = await place.run("small.yaml")
    expect(again.code).toBe(0)
    expect(again.outcomes).toEqual({ reviews: "hit", parts: "hit" })
    expect(again.stages).toEqual([])
  })

  it("a changed param runs its step and says the old and the new value", async () => {
    await place.run("small.yaml")
    const plan = await place.hone("plan", "small.yaml", "--set", "parts.test=0.3", "--json")
    const { steps } = Schema.decodeUnknownSync(PlanJson, { onExcessProperty: "error" })(JSON.parse(plan.stdout))
    expect(steps.map(({ name, verdict }) => [name, verdict])).toEqual([
      ["reviews", "hit"],
      ["parts", "run"]
    ])
    expect(steps[1]!.reason).toBe("test: 0.2 -> 0.3")
    const explained = await place.hone("explain", "small.yaml", "parts", "--set", "parts.test=0.3")
    expect(explained.stdout).toContain("test: 0.2 -> 0.3")
    expect((await place.run("small.yaml", "--set", "parts.test=0.3")).outcomes).toEqual({
      reviews: "hit",
      parts: "ran"
    })
    expect((await place.run("small.yaml")).stages).toEqual([])
  })

  it("an edited row runs ingest and what follows, and explain names the step it comes from", async () => {
    await place.run("small.yaml")
    place.write("data/reviews.csv", rows(40).replace("number 3,", "number three,"))
    const explained = await place.hone("explain", "small.yaml", "parts")
    expect(explained.stdout).toContain("waits for reviews")
    expect(explained.stdout).toContain("the bytes of source changed")
    expect((await place.run("small.yaml")).outcomes).toEqual({ reviews: "ran", parts: "ran" })
  })
})

describe("the contract for scripts", () => {
  it("show --json has the tables, their schemas and the counts", async () => {
    await place.run("small.yaml")
    const { stdout } = await place.hone("show", "small.yaml", "parts", "--json")
    const shown = Schema.decodeUnknownSync(ShowJson, { onExcessProperty: "error" })(JSON.parse(stdout))
    expect(shown.outputs.map(({ name, rows }) => [name, rows])).toEqual([
      ["train", 24],
      ["validation", 8],
      ["test", 8]
    ])
    expect(shown.outputs[0]!.columns.map(({ name }) => name)).toEqual(["row_id", "text", "label"])
    expect(shown.counts["rows_in"]).toBe(40)
  })

  it("faults have a place, a code, a message and a hint, and exit with 2; nothing is written", async () => {
    place.write("small.yaml", pipeline.replace("test: 0.2", "tets: 0.2").replace("label: label }", "label: stars }"))
    const { code, stdout } = await place.hone("run", "small.yaml", "--json")
    expect(code).toBe(2)
    const { faults } = Schema.decodeUnknownSync(FaultsJson, { onExcessProperty: "error" })(JSON.parse(stdout))
    expect(faults.map(({ column, hint, line, message }) => [line, column, message, hint])).toEqual([
      [4, 119, 'the source has no column "stars"; it has text, label', "write one of: text, label"],
      [5, 73, "unknown param `tets`", "did you mean `test`?"]
    ])
    expect(existsSync(join(place.folder, ".hone/ac"))).toBe(false)
  })

  it("a step that fails says what to mend, exits with 1, skips what follows, and runs when it is mended", async () => {
    place.write("data/reviews.csv", `${rows(20)}\n"cut in the mid`)
    const failed = await place.run("small.yaml")
    expect(failed.code).toBe(1)
    expect(failed.outcomes).toEqual({ reviews: "failed", parts: "skipped" })
    const failure = failed.events.find((event) => event.event === "failure")!
    expect(failure.event === "failure" && failure.message).toMatch(/reviews\.csv.*22|line 22/)
    place.write("data/reviews.csv", rows(20))
    expect((await place.run("small.yaml")).outcomes).toEqual({ reviews: "ran", parts: "ran" })
  })

  it("usage errors exit with 2, help with 0", async () => {
    expect((await place.hone("plan")).code).toBe(2)
    expect((await place.hone("plan", "nowhere.yaml")).code).toBe(2)
    expect((await place.hone("pln", "small.yaml")).code).toBe(2)
    expect((await place.hone("--help")).code).toBe(0)
    expect((await place.hone("show", "small.yaml", "prats")).stderr).toContain("did you mean `parts`?")
  })
})
