import { chmodSync, cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import type { RunEvent } from "@hone/core/Contract"
import { storeFolder } from "@hone/runner/store/Folder"
import { verify } from "@hone/runner/store/Verify"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { faulty } from "./support/faulty.ts"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"
import { pidsIn, start, until } from "./support/processes.ts"
import { contentsIn, filesIn, flipped, recordsIn } from "./support/store.ts"
import { tinyJob, writeTinyJob } from "./support/tinyJob.ts"

// A store with every kind of file in it: results, records, notes, pins, and the checkpoints of a training that was killed.

const job = tinyJob("epochs: 4, checkpoint_every: 2")

let whole: Place
type Contents = ReturnType<typeof contentsIn>
let reference: Contents
let trained: Contents
const set = ["--set", "tuned.learning_rate=0.01"]
beforeAll(async () => {
  whole = makePlace()
  writeTinyJob(whole.folder)
  whole.write("tiny.yaml", job)
  expect((await whole.run("tiny.yaml")).code).toBe(0)
  reference = contentsIn(whole)
  await whole.hone("pin", "tiny.yaml", "parts")
  // Another training, killed where its third checkpoint is in place.
  const at = { who: "worker", call: "renameSync", path: String.raw`^trajectories/.*writing`, nth: 4 } as const
  const run = start(
    whole,
    ["run", "tiny.yaml", "--set", "tuned.learning_rate=0.01"],
    faulty(whole, { at, then: "kill" })
  )
  await run.exit
  await until("every process to end", () => pidsIn(whole).length === 0)
  const straight = copy()
  rmSync(join(straight.folder, ".hone/trajectories"), { recursive: true })
  await straight.run("tiny.yaml", ...set)
  trained = contentsIn(straight)
  straight.remove()
})
afterAll(() => whole.remove())

const copy = (): Place => {
  const place = makePlace()
  cpSync(whole.folder, place.folder, { recursive: true })
  return place
}

const harm: Readonly<Record<string, (path: string, another: string) => void>> = {
  "a bit turned": (path) => writeFileSync(path, flipped(readFileSync(path))),
  "cut short": (path) => truncateSync(path, readFileSync(path).length >> 1),
  emptied: (path) => truncateSync(path, 0),
  deleted: (path) => rmSync(path),
  "replaced by another of its kind": (path, another) => writeFileSync(path, readFileSync(another))
}

/** Another file of the same folder or, for checkpoints and results, of the same name or another name: not the same bytes. */
const anotherOf = (path: string, all: ReadonlyArray<string>): string | undefined =>
  all.find((other) => other !== path && !readFileSync(other).equals(readFileSync(path)))

/** The kinds of files, with those of each that are held against something. */
const kinds = (place: Place) => ({
  results: filesIn(place, "cas"),
  records: filesIn(place, "ac"),
  "keys in use": filesIn(place, "last"),
  runs: filesIn(place, "runs"),
  pins: filesIn(place, "pins"),
  "digests of sources": filesIn(place, "memo"),
  checkpoints: filesIn(place, "trajectories").filter((path) => !path.includes(".writing-"))
})

const warningsOf = (events: ReadonlyArray<RunEvent>) =>
  events.flatMap((event) => (event.event === "warning" ? [event.message] : []))

/** Nothing that a run needs in order to know its results, so that one that is deleted, or another's, is not missed. */
const notes = ["keys in use", "runs", "pins", "digests of sources"]

describe.each(Object.keys(harm))("each stored file %s", (what) => {
  it("is found by verify", () => {
    const place = copy()
    const folder = storeFolder(place.folder)
    for (const [kind, files] of Object.entries(kinds(place))) {
      expect(files.length, kind).toBeGreaterThan(0)
      for (const path of files) {
        const another = anotherOf(path, files)
        if (what.startsWith("replaced") && (another === undefined || notes.includes(kind))) continue
        // A note that is gone is a note that was never made.
        if (what === "deleted" && (notes.includes(kind) || basename(path) === "state.json")) continue
        const bytes = readFileSync(path)
        chmodSync(path, 0o644)
        harm[what]!(path, another ?? path)
        expect(
          verify(folder).map((damage) => damage.path),
          `${kind}: ${path}`
        ).toContain(path)
        writeFileSync(path, bytes)
      }
    }
    expect(verify(folder)).toEqual([])
    place.remove()
  })

  it("is never served: all at once, the run ends as an undisturbed one, and each is told once with its path", async () => {
    const place = copy()
    const records = recordsIn(place)
    const all = kinds(place)
    const last = records.find(({ record }) => record.preimage.step.kind === "evaluate/metrics")!
    const others = new Map(
      Object.values(all).flatMap((files) => files.map((path) => [path, readFileSync(anotherOf(path, files) ?? path)]))
    )
    for (const [kind, files] of Object.entries(all)) {
      // Records stay: they are what leads a run to the results. They have a test of their own.
      if (kind === "records") continue
      for (const path of files) {
        chmodSync(path, 0o644)
        const other = join(place.folder, "other")
        writeFileSync(other, others.get(path)!)
        harm[what]!(path, other)
      }
    }
    rmSync(last.path) // something has to be made, from results that are all damaged
    const { code, events } = await place.run("tiny.yaml")
    expect(code).toBe(0)
    expect(contentsIn(place)).toEqual(reference)
    const told = warningsOf(events).filter((message) => message.includes("was damaged"))
    expect(told.length).toBeGreaterThan(3)
    expect(new Set(told).size).toBe(told.length)
    for (const message of told) expect(message).toContain(place.folder)
    // The interrupted training begins anew where its checkpoints are of no use.
    const training = await place.run("tiny.yaml", ...set)
    expect(training.code).toBe(0)
    const checkpoint = warningsOf(training.events).filter((message) => message.includes("a checkpoint was damaged"))
    if (what !== "deleted") expect(checkpoint).toHaveLength(1)
    expect(contentsIn(place)).toEqual(trained)
    place.remove()
  })

  it("records are made again, and each is told once with its path", async () => {
    const place = copy()
    const records = recordsIn(place)
    const texts = records.map(({ path }) => readFileSync(path))
    const other = join(place.folder, "other")
    for (const [at, { path }] of records.entries()) {
      writeFileSync(other, texts[(at + 1) % texts.length]!)
      harm[what]!(path, other)
    }
    const { code, events } = await place.run("tiny.yaml")
    expect([code, contentsIn(place)]).toEqual([0, reference])
    const told = warningsOf(events).filter((message) => message.includes("was damaged"))
    if (what === "deleted") expect(told).toEqual([])
    else for (const { path } of records) expect(told.filter((message) => message.endsWith(path))).toHaveLength(1)
    place.remove()
  })
})
