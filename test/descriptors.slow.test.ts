import { spawnSync } from "node:child_process"
import { afterEach, beforeEach, expect, it } from "vitest"
import type { Call } from "./support/faults.ts"
import { faulty } from "./support/faulty.ts"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"
import { pidsIn, signal, start, stoppedIn, until } from "./support/processes.ts"
import { filesIn } from "./support/store.ts"
import { writeTinyJob } from "./support/tinyJob.ts"

let place: Place
beforeEach(() => {
  place = makePlace()
  place.env["HONE_ENGINE"] = "cpu"
  writeTinyJob(place.folder)
})
afterEach(async () => {
  signal(pidsIn(place), "SIGKILL")
  await until("every process to end", () => pidsIn(place).length === 0)
  place.remove()
})

/** From now on the process gets no further descriptor (`ulimit -n`); those that it has stay. False where nothing can say so. */
const closeDoor = (pid: number): boolean => {
  const { status } = spawnSync("prlimit", [`--pid=${pid}`, "--nofile=0:0"])
  if (status !== 0) console.log("skipped: there is no `prlimit` here, which takes descriptors from a process that runs")
  return status === 0
}

/** Where a process stands when the system begins to refuse it files, and the step that fails of it. */
const places: ReadonlyArray<readonly [string, { who: Call["who"]; call: string; path: string }, string]> = [
  ["as ingest begins to write", { who: "worker", call: "openSync", path: "rows\\.arrow$" }, "rows"],
  ["as the first result is kept", { who: "runner", call: "renameSync", path: "^attempts/.*rows\\.arrow$" }, "rows"],
  ["as the training writes what it learnt", { who: "worker", call: "openSync", path: "history\\.arrow$" }, "tuned"]
]

it.each(places)(
  "too many open files %s: a failure in words, nothing half-made is kept, and the next run goes on",
  async (_, at, failing) => {
    const run = start(place, ["run", "tiny.yaml", "--json"], faulty(place, { at, then: "stop" }))
    await until("the process to stop", () => stoppedIn(place).length > 0, 60)
    const stopped = stoppedIn(place)
    const isShut = closeDoor(stopped[0]!)
    signal(stopped, "SIGCONT")
    const { code } = await run.exit
    if (!isShut) return
    const events = run
      .text()
      .split("\n")
      .filter((line) => line.includes('"failure"'))
    expect([code, events[0]]).toEqual([1, expect.stringContaining(`"step":"${failing}"`)])
    for (const event of events) expect(event).toMatch(/EMFILE[^}]*ulimit -n/u)
    expect((await place.hone("verify")).code).toBe(0)
    const again = await place.run("tiny.yaml")
    expect([again.code, again.outcomes["after"]]).toEqual([0, "ran"])
    // A runner without descriptors cannot clean up behind itself: the next one does.
    expect([...filesIn(place, "attempts"), ...filesIn(place, "leases"), ...filesIn(place, "live")]).toEqual([])
  }
)
