import { readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { RunEvent } from "@hone/core/Contract"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { faulty } from "../support/faulty.ts"
import type { Place } from "../support/hone.ts"
import { pidsIn, signal, start, stateOf, stoppedIn, until } from "../support/processes.ts"
import { filesIn, flipped, forge, overwrite, pathOfBlob, recordOf, recordsIn } from "../support/store.ts"
import { makeTwoSteps } from "../support/twoSteps.ts"

// One test for each fault that was seen in DVC, Snakemake, Nx, Turborepo and their kin, named after it: here those of stores.

let place: Place
beforeEach(() => {
  place = makeTwoSteps()
})
afterEach(() => place.remove())

const warnings = (events: ReadonlyArray<RunEvent>) =>
  events.flatMap((event) => (event.event === "warning" ? [event.message] : []))

const isSound = async () => expect((await place.hone("verify")).code).toBe(0)

describe("Nx, Turborepo, Snakemake", () => {
  it("a tampered artifact: found on reading, what made it runs again, and it is told once with its path", async () => {
    await place.run("small.yaml")
    const path = pathOfBlob(place, recordOf(place, "ingest").record.outputs["rows"]!.blob)
    overwrite(path, flipped)
    const { code, events, outcomes } = await place.run("small.yaml", "--set", "parts.test=0.25")
    expect([code, outcomes]).toEqual([0, { reviews: "ran", parts: "ran" }])
    expect(warnings(events).filter((message) => message.includes(path))).toHaveLength(1)
    expect(events.some((event) => event.event === "failure")).toBe(false)
    await isSound()
  })
})

describe("Nx #36932, #37110, Turborepo #6754", () => {
  it("a hit that restores nothing: a record without all of its files is none", async () => {
    await place.run("small.yaml")
    const { outputs } = recordOf(place, "split").record
    for (const { blob } of Object.values(outputs)) {
      rmSync(pathOfBlob(place, blob))
      expect((await place.run("small.yaml")).outcomes).toEqual({ reviews: "hit", parts: "ran" })
    }
    await isSound()
  })
})

describe("DVC #7615, #2797, Snakemake #2919", () => {
  it("stuck locks after a kill: the next run takes over by itself, at once", async () => {
    const killed = start(place, ["run", "small.yaml"], faulty(place, { at: { call: "linkSync" }, then: "kill" }))
    expect((await killed.exit).signal).toBe("SIGKILL")
    expect(filesIn(place, "leases")).toHaveLength(1)
    const began = performance.now()
    expect((await place.run("small.yaml")).outcomes).toEqual({ reviews: "ran", parts: "ran" })
    expect(performance.now() - began).toBeLessThan(4000) // two heartbeats: nothing was waited for
    expect(filesIn(place, "leases")).toEqual([])
  })
})

describe("DVC", () => {
  it("an orphaned child writes into the re-run's output after kill -9 of the runner: it has a folder of its own", async () => {
    const env = faulty(place, { at: { who: "worker", call: "writeSync" }, then: "stop" })
    const run = start(place, ["run", "small.yaml"], env)
    await until("the worker to stop", () => stoppedIn(place).length > 0)
    const [orphan] = stoppedIn(place)
    signal([run.pid], "SIGKILL")
    await run.exit
    expect((await place.run("small.yaml")).outcomes).toEqual({ reviews: "ran", parts: "ran" })
    const files = filesIn(place, "cas")
    expect(stateOf(orphan!)).toBe("T")
    signal([orphan!], "SIGCONT")
    await until("the orphan to end", () => pidsIn(place).length === 0)
    expect(filesIn(place, "cas")).toEqual(files)
    expect(filesIn(place, "attempts")).toEqual([])
    await isSound()
    expect((await place.run("small.yaml")).stages).toEqual([])
  })

  it("a non-deterministic step: the first result stays and is what follows, the second is reported as drift", async () => {
    await place.run("small.yaml", "--set", "parts.seed=5")
    const other = recordOf(place, "split").record
    const run = start(place, ["run", "small.yaml", "--json"], faulty(place, { at: { call: "linkSync" }, then: "stop" }))
    await until("the runner to stop", () => stoppedIn(place).length > 0)
    // Another process was faster, and got something else under the same key.
    const ac = join(place.folder, ".hone/ac")
    const written = readdirSync(ac).find((name) => name.endsWith(".tmp"))!
    const own = (JSON.parse(readFileSync(join(ac, written), "utf8")) as { record: ActionRecord }).record
    forge(join(ac, `${own.key}.json`), { ...other, key: own.key, preimage: own.preimage })
    signal([run.pid], "SIGCONT")
    expect((await run.exit).code).toBe(0)
    const drift = /the same inputs gave another result than the one in the store.*?train: column row_id, row 0.*?drift/u
    expect(run.text()).toMatch(drift)
    const kept = recordsIn(place).find(({ record }) => record.key === own.key)!.record
    expect(kept.outputs).toEqual(other.outputs)
    const [noted] = filesIn(place, "drift")
    expect(JSON.parse(readFileSync(noted!, "utf8"))).toMatchObject({ record: { key: own.key, outputs: own.outputs } })
    for (const { blob } of Object.values(own.outputs)) expect(filesIn(place, "cas")).toContain(pathOfBlob(place, blob))
    expect((await place.run("small.yaml")).stages).toEqual([])
  })
})

describe("Nx CVE-2025-36852", () => {
  it("a store poisoned by whoever may write: bytes and records are held against their names before they are used", async () => {
    await place.run("small.yaml", "--set", "parts.seed=5")
    const poison = recordOf(place, "split")
    await place.run("small.yaml")
    const own = recordsIn(place).find(
      ({ record }) => record.preimage.step.kind === "split" && record.key !== poison.record.key
    )!
    // Another's record under this key, as it is and as an edited copy.
    for (const text of [
      readFileSync(poison.path, "utf8"),
      readFileSync(own.path, "utf8").replace(/"blob":"\w{4}/u, '"blob":"0000')
    ]) {
      overwrite(own.path, () => Buffer.from(text))
      expect((await place.hone("verify")).stdout).toContain(own.path)
      expect((await place.run("small.yaml")).outcomes).toEqual({ reviews: "hit", parts: "ran" })
    }
    // Another's file under this name: no command shows it.
    const [mine, theirs] = [own, poison].map(({ record }) => pathOfBlob(place, record.outputs["train"]!.blob))
    overwrite(mine!, () => readFileSync(theirs!))
    const shown = await place.hone("show", "small.yaml", "parts")
    expect([shown.code, shown.stderr.includes("not those that were written")]).toEqual([1, true])
    // And what is made to look right in every way is found by making it again.
    forge(own.path, { ...own.record, outputs: poison.record.outputs })
    expect((await place.hone("rerun", "small.yaml")).code).toBe(1)
  })
})
