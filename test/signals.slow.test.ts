import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { setTimeout as sleep } from "node:timers/promises"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { faulty } from "./support/faulty.ts"
import type { Place } from "./support/hone.ts"
import { pidsIn, signal, start, stoppedIn, until } from "./support/processes.ts"
import { filesIn } from "./support/store.ts"
import { makeTwoSteps } from "./support/twoSteps.ts"

const launcher = fileURLToPath(new URL("../hone", import.meta.url))

let place: Place
beforeEach(() => {
  place = makeTwoSteps()
})
afterEach(async () => {
  signal(pidsIn(place), "SIGKILL")
  await until("every process to end", () => pidsIn(place).length === 0)
  place.remove()
})

/** The worker stands still before it writes, so that it takes no TERM: only a KILL ends it. */
const stopping = () => faulty(place, { at: { who: "worker", call: "writeSync" }, then: "stop" })
const workerStops = () => until("the worker to stop", () => stoppedIn(place).length > 0)

const isQuiet = () => until("every process to end", () => pidsIn(place).length === 0)

/** Nothing of the run is left but its record, and the next one does the work. */
const isInterrupted = async () => {
  expect([...filesIn(place, "attempts"), ...filesIn(place, "leases"), ...filesIn(place, "live")]).toEqual([])
  expect((await place.hone("runs", "small.yaml")).stdout).toContain("interrupted")
  expect((await place.run("small.yaml")).outcomes).toEqual({ reviews: "ran", parts: "ran" })
}

describe("a run", () => {
  it.each(["SIGTERM", "SIGHUP"] as const)(
    "that gets %s ends its workers, is remembered, and exits with 130",
    async (name) => {
      const run = start(place, ["run", "small.yaml"], stopping())
      await workerStops()
      signal([run.pid], name)
      expect((await run.exit).code).toBe(130)
      await isQuiet()
      await isInterrupted()
    }
  )

  it("whose terminal is closed ends as by SIGHUP", async () => {
    const terminal = spawn("script", ["-qec", `${launcher} run small.yaml`, "/dev/null"], {
      cwd: place.folder,
      env: { ...process.env, ...stopping() },
      stdio: "ignore"
    })
    terminal.on("error", () => console.log("skipped: there is no `script` here, which makes a terminal"))
    if (terminal.pid === undefined) return
    await workerStops()
    terminal.kill("SIGKILL")
    await isQuiet()
    await isInterrupted()
  })

  it("that was told to ignore SIGHUP, as nohup does, goes on to its end when it gets one", async () => {
    const run = spawn("sh", ["-c", `trap '' HUP; exec ${launcher} run small.yaml`], {
      cwd: place.folder,
      env: { ...process.env, ...stopping() },
      stdio: "ignore"
    })
    const code = new Promise((resolve) => run.on("close", resolve))
    await workerStops()
    run.kill("SIGHUP")
    signal(stoppedIn(place), "SIGCONT")
    expect(await code).toBe(0)
    expect((await place.run("small.yaml")).stages).toEqual([])
  })

  it("whose parent is killed goes on to its end", async () => {
    const parent = spawn("sh", ["-c", `${launcher} run small.yaml > out; true`], {
      cwd: place.folder,
      env: { ...process.env, ...stopping() },
      stdio: "ignore"
    })
    await workerStops()
    parent.kill("SIGKILL")
    signal(stoppedIn(place), "SIGCONT")
    await isQuiet()
    expect((await place.run("small.yaml")).stages).toEqual([])
  })

  it("that sleeps with its workers past its lease, as a laptop does, goes on when it wakes", async () => {
    const run = start(place, ["run", "small.yaml"], stopping())
    await workerStops()
    signal(pidsIn(place), "SIGSTOP")
    await sleep(5000)
    signal(pidsIn(place), "SIGCONT")
    expect((await run.exit).code).toBe(0)
    expect((await place.run("small.yaml")).stages).toEqual([])
  })

  it("whose reader is gone ends, and leaves no worker", async () => {
    const run = start(place, ["run", "small.yaml", "--json"], stopping())
    await workerStops()
    run.child.stdout!.destroy()
    signal(stoppedIn(place), "SIGCONT")
    await run.exit
    await isQuiet()
    expect((await place.run("small.yaml")).code).toBe(0)
    expect((await place.hone("verify")).code).toBe(0)
  })
})
