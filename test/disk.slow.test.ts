import { spawnSync } from "node:child_process"
import { mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"

const pipeline = `name: small
steps:
  reviews: { uses: ingest, with: { source: r.csv, task: text-classification, columns: { text: text, label: label } } }
  parts: { uses: split, in: { rows: reviews }, with: { test: 0.5, stratify_by: label } }
`
const rows = (n: number) =>
  [
    "text,label",
    ...Array.from({ length: n }, (_, i) => `"row number ${i} ${"x".repeat(80)}",${i % 2 === 0 ? "a" : "b"}`)
  ].join("\n")

const sh = (command: string, ...args: ReadonlyArray<string>) => spawnSync(command, args, { encoding: "utf8" })

let place: Place
let store: string
beforeEach(() => {
  place = makePlace()
  place.write("small.yaml", pipeline)
  store = join(place.folder, ".hone")
  mkdirSync(store)
})
afterEach(() => {
  sh("umount", "-l", store)
  place.remove()
})

/** A store on a small file system of its own; false where this user may not mount one. */
const mounted = (options: string): boolean => {
  const { status } = sh("mount", "-t", "tmpfs", "-o", options, "tmpfs", store)
  if (status !== 0) console.log("skipped: no file system can be mounted here")
  return status === 0
}

describe("a store that cannot be written", () => {
  it("a full disk is said in words, nothing half is kept, and the next run goes on", async () => {
    if (!mounted("size=6m")) return
    place.write("r.csv", rows(60_000)) // some 7 MB of rows
    const failed = await place.run("small.yaml")
    expect([failed.code, failed.outcomes["reviews"], failed.outcomes["parts"]]).toEqual([1, "failed", "skipped"])
    const failure = failed.events.find((event) => event.event === "failure")!
    expect(JSON.stringify(failure)).toMatch(/no space|ENOSPC|disk is full/iu)
    expect(readdirSync(join(store, "attempts"))).toEqual([])
    sh("mount", "-o", "remount,size=200m", store)
    const again = await place.run("small.yaml")
    expect([again.code, again.outcomes]).toEqual([0, { reviews: "ran", parts: "ran" }])
    expect((await place.hone("verify")).code).toBe(0)
  })

  it("a read-only store serves what it has, and says what it cannot do", async () => {
    if (!mounted("size=50m")) return
    place.write("r.csv", rows(100))
    await place.run("small.yaml")
    sh("mount", "-o", "remount,ro", store)
    const hit = await place.run("small.yaml")
    expect([hit.code, hit.stages]).toEqual([0, []])
    const refused = await place.run("small.yaml", "--set", "parts.test=0.25")
    expect([refused.code, refused.outcomes]).toEqual([1, { reviews: "hit", parts: "failed" }])
    expect(JSON.stringify(refused.events)).toMatch(/read-only/u)
  })
})

describe("a place for results that is in the way", () => {
  it("a file where a folder should be is a placed failure", async () => {
    place.write("r.csv", rows(10))
    writeFileSync(join(store, "attempts"), "")
    const { code, events } = await place.run("small.yaml")
    expect(code).toBe(1)
    expect(JSON.stringify(events)).toContain("the store cannot be written")
  })
})
