import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { storeFolder } from "@hone/runner/store/Folder"
import { planGc } from "@hone/runner/store/Gc"
import { faulty } from "../support/faulty.ts"
import type { Place } from "../support/hone.ts"
import { pidsIn, signal, start, stoppedIn, until } from "../support/processes.ts"
import { filesIn, flipped, forge, overwrite, recordOf, recordsIn } from "../support/store.ts"
import { made, smallPipeline, swept } from "../support/sweeps.ts"
import { makeTwoSteps } from "../support/twoSteps.ts"

// One test for each fault that was seen in other tools, named after it: here gc, with what holds it back.

let place: Place
beforeEach(() => {
  place = makeTwoSteps()
})
afterEach(() => place.remove())

const old = "2020-01-01T00:00:00.000Z"

/** As if every result had been made long ago. */
const ageAll = () => {
  for (const { path, record } of recordsIn(place)) forge(path, { ...record, finished_at: old })
}

/** And as if no pipeline file had used it since. */
const forgetAll = () => {
  ageAll()
  rmSync(join(place.folder, ".hone/last"), { recursive: true })
}

describe("Nx #35483, DVC #1511, #4634", () => {
  it("the cache grows without bound, gc frightens: it says what can go, and frees what no file used in its last run, and nothing else", async () => {
    await place.run("small.yaml", "--set", "parts.test=0.25")
    const unused = recordOf(place, "split")
    await place.run("small.yaml")
    // Results younger than ten minutes stay whatever they are.
    expect((await place.hone("gc", "--yes")).stdout).toContain("nothing to free")
    forge(unused.path, { ...unused.record, finished_at: old })
    const before = filesIn(place, "cas").length
    const dry = await place.hone("gc")
    expect(dry.stdout).toContain("nothing was deleted")
    expect(filesIn(place, "cas")).toHaveLength(before)
    expect((await place.hone("gc", "--yes")).stdout).toContain("freed")
    expect(existsSync(unused.path)).toBe(false)
    expect(readdirSync(join(place.folder, ".hone/shelves/split"))).toHaveLength(1)
    expect((await place.run("small.yaml")).stages).toEqual([])
    expect((await place.run("small.yaml", "--set", "parts.test=0.25")).outcomes).toEqual({
      reviews: "hit",
      parts: "ran"
    })
  })

  it("leaves what is pinned, with all that it was made from, until it is unpinned", async () => {
    const pinned = ["small.yaml", "parts", "--set", "parts.test=0.25"]
    expect((await place.hone("pin", ...pinned)).stderr).toContain("there is no result to pin of `reviews`, `parts`")
    await place.run("small.yaml", "--set", "parts.test=0.25")
    expect((await place.hone("pin", ...pinned)).stdout).toContain("pinned 2 results")
    await place.run("small.yaml")
    forgetAll()
    const gc = await place.hone("gc", "--yes")
    expect(gc.stdout).toContain("pinned: small.yaml parts --set parts.test=0.25 (2 results")
    expect(gc.stdout).toContain("freed")
    expect(recordsIn(place)).toHaveLength(2)
    expect((await place.run("small.yaml", "--set", "parts.test=0.25")).stages).toEqual([])
    forgetAll()
    expect((await place.hone("unpin", "small.yaml", "parts")).stdout).toContain("removed 1 pin")
    expect((await place.hone("gc", "--yes")).stdout).toContain("freed")
    expect([...recordsIn(place), ...filesIn(place, "cas")]).toEqual([])
  })

  it("leaves what a run that is under way uses, and not what one used that was killed", async () => {
    await place.run("small.yaml")
    const { path } = recordOf(place, "ingest")
    forgetAll()
    const stopping = faulty(place, { at: { who: "worker", call: "writeSync" }, then: "stop" })
    const run = start(place, ["run", "small.yaml", "--set", "parts.test=0.3"], stopping)
    await until("the worker to stop", () => stoppedIn(place).length > 0)
    expect((await place.hone("gc", "--yes")).stdout).toContain("freed")
    expect(existsSync(path)).toBe(true)
    signal(stoppedIn(place), "SIGCONT")
    expect((await run.exit).code).toBe(0)

    forgetAll()
    const killed = start(place, ["run", "small.yaml", "--set", "parts.test=0.4"], stopping)
    await until("the worker to stop", () => stoppedIn(place).length > 0)
    signal([killed.pid], "SIGKILL")
    await killed.exit
    await place.hone("gc", "--yes")
    expect(existsSync(path)).toBe(false)
    signal(stoppedIn(place), "SIGKILL")
  })

  it("leaves what a run of another machine uses, until a day after it was last heard of: its process may be gone with its container", async () => {
    await place.run("small.yaml")
    const { path, record } = recordOf(place, "split")
    forgetAll()
    const orphan = ".hone/cas/aa/" + "a".repeat(64)
    place.write(orphan, "of an attempt that was never recorded")
    const heard = (file: string, hoursAgo: number) => {
      const then = new Date(Date.now() - hoursAgo * 3_600_000)
      utimesSync(join(place.folder, file), then, then)
    }
    heard(orphan, 48)
    const notes = ".hone/live/7@4f0c2a9d81be"
    place.write(notes, `${record.key}\n`)
    heard(notes, 23)
    // A lease holds what it is for as long as its holder lives: left behind by a process that is gone, it holds nothing.
    const leased = recordOf(place, "ingest")
    const lease = (pid: number) =>
      place.write(`.hone/leases/${leased.record.key}`, JSON.stringify({ token: "t", pid, host: hostname() }))
    lease(process.pid)
    const all = [path, leased.path, join(place.folder, orphan)]
    await place.hone("gc", "--yes")
    expect(all.map(existsSync)).toEqual([true, true, true])
    heard(notes, 25)
    lease(spawnSync("true").pid)
    await place.hone("gc", "--yes")
    expect(all.map(existsSync)).toEqual([false, false, false])
  })

  it("deletes nothing while a file that says what is in use is damaged", async () => {
    await place.run("small.yaml")
    const [last] = filesIn(place, "last")
    overwrite(last!, flipped)
    const refused = await place.hone("gc", "--yes")
    expect([refused.code, refused.stderr.includes(last!)]).toEqual([1, true])
    expect(recordsIn(place)).toHaveLength(2)
    await place.run("small.yaml")
    expect((await place.hone("gc", "--yes")).code).toBe(0)
  })

  it("names the oldest day first, and of one day what is cheapest to have again", async () => {
    await place.run("small.yaml")
    forgetAll()
    const order = (ingest: object, split: object) => {
      for (const [kind, change] of [
        ["ingest", ingest],
        ["split", split]
      ] as const) {
        const { path, record } = recordOf(place, kind)
        forge(path, { ...record, ...change })
      }
      return planGc(storeFolder(place.folder), Date.now()).results.map(({ record }) => record.preimage.step.kind)
    }
    const [day, later] = ["2020-01-01T09:00:00.000Z", "2020-01-02T08:00:00.000Z"]
    expect(order({ finished_at: day, seconds: 9 }, { finished_at: later, seconds: 1 })).toEqual(["ingest", "split"])
    expect(order({ finished_at: later, seconds: 9 }, { finished_at: later, seconds: 1 })).toEqual(["split", "ingest"])
  })

  it("leaves what the trials of a sweep made, ended or killed, until the sweep is forgotten", async () => {
    place.write("small.yaml", smallPipeline)
    place.write(
      "s.yaml",
      "pipeline: small.yaml\nsearch: { method: grid }\nspace: { tuned.learning_rate: { choice: [0.001, 0.01] } }"
    )
    const log = () => filesIn(place, "sweeps").find((path) => path.endsWith(".jsonl"))
    const linesOfLog = () => readFileSync(log()!, "utf8").split("\n")
    const held = (results: number) => `sweep: s.yaml (${results} results, until \`hone sweep forget s.yaml\`)`

    const run = start(place, ["sweep", "run", "s.yaml", "--json"])
    await until("the first trial", () => log() !== undefined && linesOfLog().some((line) => line.includes('"worked"')))
    signal(pidsIn(place), "SIGKILL")
    await run.exit
    ageAll()
    // What the second trial had made and not noted yet may go.
    await place.hone("gc", "--yes")
    expect(made(place)).toMatchObject({ ingest: 1, tokenize: 1, "train/fit": expect.any(Number) })

    await swept(place, "s.yaml")
    const results = made(place)
    expect(results["train/fit"]).toBe(2)
    ageAll()
    const kept = await place.hone("gc", "--yes")
    expect(kept.stdout).toContain("nothing to free")
    expect(kept.stdout).toContain(held(recordsIn(place).length))

    // A log from before such notes were made: its next run makes nothing, and notes what there is.
    writeFileSync(
      log()!,
      linesOfLog()
        .filter((line) => !line.includes('"used"'))
        .join("\n")
    )
    expect((await place.hone("gc")).stdout).toContain("train/fit")
    await swept(place, "s.yaml")
    expect((await place.hone("gc")).stdout).toContain(held(recordsIn(place).length))
    expect(made(place)).toEqual(results)

    const at = linesOfLog().findIndex((line) => line.includes('"used"'))
    const whole = readFileSync(log()!)
    overwrite(log()!, (bytes) => Buffer.from(bytes.toString().replace('"keys":["', '"keys":["f')))
    expect((await place.hone("gc", "--yes")).stderr).toContain(`${log()}:${at + 1}`)
    expect((await place.hone("verify")).stdout).toContain(`${log()}:${at + 1}: its text is not what was written`)
    writeFileSync(log()!, whole)

    expect((await place.hone("sweep", "forget", "s.yaml")).stdout).toContain("forgot the sweep of s.yaml")
    expect(JSON.parse((await place.hone("gc", "--json")).stdout).results).toHaveLength(recordsIn(place).length)
    expect((await place.hone("sweep", "forget", "s.yaml")).code).toBe(1)
  })
})
