import { setTimeout as sleep } from "node:timers/promises"
import type { RunEvent } from "@hone/core/Contract"
import { storeFolder } from "@hone/runner/store/Folder"
import { verify } from "@hone/runner/store/Verify"
import { describe, expect, it } from "vitest"
import { faulty } from "./support/faulty.ts"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"
import type { Started } from "./support/processes.ts"
import { pidsIn, signal, start, until } from "./support/processes.ts"
import { contentsIn, filesIn, recordOf } from "./support/store.ts"
import { tinyJob, writeTinyJob } from "./support/tinyJob.ts"

/** Numbers in [0, 1) that are the same in every run of the tests (mulberry32). */
const draws = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

const newPlace = (engine: string): Place => {
  const place = makePlace()
  writeTinyJob(place.folder)
  place.write("tiny.yaml", tinyJob("epochs: 4, checkpoint_every: 1"))
  place.write("small.yaml", tinyJob().replace(/^ {2}(?!rows).*$/gmu, ""))
  place.env["HONE_ENGINE"] = engine
  return place
}

const eventsOf = (run: Started): ReadonlyArray<RunEvent> =>
  run
    .text()
    .split("\n")
    .slice(0, -1) // the last line may be cut
    .map((line) => JSON.parse(line) as RunEvent)

const args = ["run", "tiny.yaml", "--json"]

/** Milliseconds: longer than a run takes on a quiet machine. */
const longest = 2500

/**
 * A run that is killed: its runner or a worker, at some instant or before some call that changes the store. Gives its events, and
 * whether it was over before.
 */
const killed = async (place: Place, draw: () => number) => {
  const who = draw() < 0.6 ? "runner" : "worker"
  if (draw() < 0.5) {
    const nth = 1 + Math.floor(draw() ** 2 * (who === "runner" ? 260 : 60))
    const run = start(place, args, faulty(place, { at: { who, nth }, then: "kill" }))
    const { code } = await run.exit
    return { run, isOver: code === 0 }
  }
  const run = start(place, args)
  const left = await Promise.race([run.exit, sleep(50 + draw() ** 2 * longest, undefined)])
  if (left === undefined) {
    const workers = pidsIn(place).filter((pid) => pid !== run.pid)
    signal(who === "worker" && workers.length > 0 ? workers.slice(-1) : [run.pid], "SIGKILL")
  }
  return { run, isOver: (await run.exit).code === 0 }
}

/** Ends what a chain of killed runs began, and holds the store against one that nobody disturbed. Gives where the training went on. */
const finish = async (place: Place, finished: ReadonlySet<string>, reference: unknown): Promise<number> => {
  const end = await place.run("tiny.yaml")
  expect(end.code).toBe(0)
  for (const step of finished) expect(end.outcomes[step]).toBe("hit")
  await until("every process to end", () => pidsIn(place).length === 0)
  // A run of which nothing is left to do removes nothing; one that has something to do removes what the killed ones left.
  if (end.stages.length === 0) await place.run("small.yaml", "--set", "rows.sample=20")
  expect(filesIn(place, "attempts")).toEqual([])
  expect(filesIn(place, ".").filter((path) => path.endsWith(".tmp"))).toEqual([])
  expect(verify(storeFolder(place.folder))).toEqual([])
  expect(contentsIn(place)).toMatchObject(reference as object)
  return Number(recordOf(place, "train/fit").record.counts["resumed_at_step"])
}

/** So many kills, in chains: a run is killed again and again until it comes to its end; then the next begins in an empty store. */
const survives = async (engine: string, kills: number, seed: number): Promise<ReadonlyArray<number>> => {
  const draw = draws(seed)
  const straight = newPlace(engine)
  expect((await straight.run("tiny.yaml")).code).toBe(0)
  const reference = contentsIn(straight)
  straight.remove()
  const resumed: Array<number> = []
  let left = kills
  while (left > 0) {
    const place = newPlace(engine)
    const finished = new Set<string>()
    for (let isOver = false; left > 0 && !isOver;) {
      const before = Object.keys(contentsIn(place))
      const { isOver: over, run } = await killed(place, draw)
      const events = eventsOf(run)
      // No result is lost, and what was finished does not run again.
      expect(Object.keys(contentsIn(place))).toEqual(expect.arrayContaining(before))
      for (const event of events)
        if (event.event === "stage") expect([...finished], "of finished steps").not.toContain(event.step)
      for (const event of events) if (event.event === "step" && event.outcome === "ran") finished.add(event.name)
      isOver = over
      if (!isOver) left -= 1
    }
    resumed.push(await finish(place, finished, reference))
    place.remove()
  }
  return resumed
}

const both = async (engine: string, kills: number, seed: number) =>
  (await Promise.all([survives(engine, kills / 2, seed), survives(engine, kills / 2, seed + 1)])).flat()

describe("SIGKILL at any instant, and before any call that changes the store", () => {
  it("180 times, of runs that ingest, train and evaluate: what is finished stays, and the end is that of an undisturbed run", async () => {
    const resumed = await both("cpu", 180, 1)
    console.log(`${resumed.length} chains; trainings went on at steps ${resumed.join(", ")}`)
    expect(resumed.filter((step) => step > 0).length).toBeGreaterThan(resumed.length / 4)
  })

  it("20 times on the engine that set-up chose: the training goes on from its checkpoints to the same bytes", async () => {
    const resumed = await both("", 20, 3)
    console.log(`${resumed.length} chains; trainings went on at steps ${resumed.join(", ")}`)
  })
})
