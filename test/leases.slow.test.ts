import { existsSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { RunEvent } from "@hone/core/Contract"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { faulty } from "./support/faulty.ts"
import type { Place } from "./support/hone.ts"
import type { Started } from "./support/processes.ts"
import { pidsIn, signal, start, stoppedIn, until } from "./support/processes.ts"
import { contentsIn, filesIn } from "./support/store.ts"
import { makeTwoSteps } from "./support/twoSteps.ts"

let place: Place
beforeEach(() => {
  place = makeTwoSteps()
})
afterEach(async () => {
  signal(pidsIn(place), "SIGKILL")
  await until("every process to end", () => pidsIn(place).length === 0)
  place.remove()
})

const args = ["run", "small.yaml", "--json"]
// Two heartbeats of two seconds, and what a command takes to start, look and work on a busy machine.
const takeOverMillis = 4000 + 6000

const eventsOf = (run: Started) =>
  run
    .text()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as RunEvent)

/** Stages that a run made itself, in order. */
const madeBy = (run: Started) =>
  eventsOf(run).flatMap((event) => (event.event === "stage" && event.state === "started" ? [event.step] : []))

const isWaiting = (run: Started) => run.text().includes("another process is making this result")

/** A run that holds a lease and whose worker stands still before it writes. */
const holding = async (): Promise<Started> => {
  const run = start(place, args, faulty(place, { at: { who: "worker", call: "writeSync" }, then: "stop" }))
  await until("the worker to stop", () => stoppedIn(place).length > 0)
  return run
}

const isSound = async () => {
  expect((await place.hone("verify")).code).toBe(0)
  expect(existsSync(join(place.folder, ".hone/drift"))).toBe(false)
  expect([...filesIn(place, "leases"), ...filesIn(place, "attempts")]).toEqual([])
  expect(Object.keys(contentsIn(place))).toHaveLength(2)
}

describe("several processes on one store", () => {
  it("eight: one makes each result, the others wait and use it", async () => {
    const first = await holding()
    const others = Array.from({ length: 7 }, () => start(place, args))
    await until("all others to wait", () => others.every(isWaiting), 30)
    signal(stoppedIn(place), "SIGCONT")
    const runs = [first, ...others]
    for (const run of runs) expect((await run.exit).code).toBe(0)
    expect(runs.flatMap(madeBy).sort()).toEqual(["parts", "reviews"])
    await isSound()
  })

  it("a holder that is killed is replaced within two heartbeats", async () => {
    const first = await holding()
    const second = start(place, args)
    await until("the second to wait", () => isWaiting(second))
    const killed = performance.now()
    signal([first.pid], "SIGKILL")
    expect((await second.exit).code).toBe(0)
    expect(performance.now() - killed).toBeLessThan(takeOverMillis)
    expect(madeBy(second)).toEqual(["reviews", "parts"])
    signal(stoppedIn(place), "SIGCONT")
    await until("the orphan to end", () => pidsIn(place).length === 0)
    await isSound()
  })

  it("a holder that is stopped past its lease is replaced, and does no harm when it wakes", async () => {
    const first = await holding()
    const second = start(place, args)
    await until("the second to wait", () => isWaiting(second))
    const all = pidsIn(place).filter((pid) => pid === first.pid || stoppedIn(place).includes(pid))
    const stopped = performance.now()
    signal(all, "SIGSTOP")
    expect((await second.exit).code).toBe(0)
    expect(performance.now() - stopped).toBeLessThan(takeOverMillis)
    expect(madeBy(second)).toEqual(["reviews", "parts"])
    const contents = contentsIn(place)
    signal(all, "SIGCONT")
    expect((await first.exit).code).toBe(0)
    expect(contentsIn(place)).toEqual(contents)
    await isSound()
  })

  it("clocks that jump hours back and forth between processes: each result is still made once", async () => {
    const hour = 3_600_000
    const runs = [
      start(
        place,
        args,
        faulty(place, { clock: [0, 5 * hour, -26 * hour, 0], at: { who: "worker", call: "writeSync" }, then: "stop" })
      )
    ]
    await until("the worker to stop", () => stoppedIn(place).length > 0)
    for (const clock of [[-48 * hour], [0, -hour, hour], [24 * hour]])
      runs.push(start(place, args, faulty(place, { clock })))
    await until("all others to wait", () => runs.slice(1).every(isWaiting), 30)
    await sleep(6000) // more than two heartbeats: nobody takes a lease that is alive
    expect(runs.slice(1).flatMap(madeBy)).toEqual([])
    signal(stoppedIn(place), "SIGCONT")
    for (const run of runs) expect((await run.exit).code).toBe(0)
    expect(runs.flatMap(madeBy).sort()).toEqual(["parts", "reviews"])
    await isSound()
  })
})
