import { readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"
import { pidsIn, signal, start, until } from "./support/processes.ts"
import { recordsIn } from "./support/store.ts"
import { smallPipeline, smallSweep, swept, tableOf } from "./support/sweeps.ts"

let place: Place
beforeAll(() => {
  place = makePlace()
  place.write("small.yaml", smallPipeline)
})
afterAll(() => place.remove())

describe("a sweep", () => {
  it("continues from a rung, to the bytes of a training that never stopped there", async () => {
    const space = smallSweep(
      "search: { method: random, seed: 5, max_trials: 4 }\nprune: { method: asha, rungs: [1, 2], start_after: 1 }"
    )
    place.write("asha.yaml", space)
    const { best, trials } = await swept(place, "asha.yaml")
    const winner = trials.find(({ id }) => id === best)!
    expect(trials.filter(({ state }) => state === "stopped").length).toBeGreaterThan(0)
    expect(winner.rungs.map(({ decision, resource }) => [resource, decision])).toEqual([
      [1, "kept"],
      [2, "kept"]
    ])
    const whole = makePlace()
    whole.write("small.yaml", smallPipeline)
    const sets = Object.entries(winner.params).flatMap(([path, value]) => ["--set", `${path}=${JSON.stringify(value)}`])
    await whole.run("small.yaml", ...sets)
    const blobs = async (of: Place) =>
      JSON.parse((await of.hone("show", "small.yaml", "tuned", "--json", ...sets)).stdout)
    const [ours, straight] = [await blobs(place), await blobs(whole)]
    whole.remove()
    expect(ours.outputs).toEqual(straight.outputs)
    expect(ours.counts.resumed_at_step).toBeGreaterThan(0)
    expect(straight.counts.resumed_at_step).toBe(0)
  })

  it("keeps the error of a failed trial, does not repeat what would fail again, and stops after as many as are allowed", async () => {
    const over = (failure: string) =>
      `pipeline: small.yaml\nsearch: { method: grid }\nspace: { tuned.learning_rate: { choice: [1.5e9, 1e-2, 2.5e9, 3.5e9] } }\n${failure}`
    place.write("failing.yaml", over(""))
    const { best, trials } = await swept(place, "failing.yaml")
    expect(trials.map(({ number, state }) => [number, state])).toEqual([
      [2, "complete"],
      [1, "failed"],
      [3, "failed"],
      [4, "failed"]
    ])
    expect(trials[0]!.id).toBe(best)
    expect(trials[1]!.error).toMatchObject({ step: "tuned", code: "nan_loss" })
    const again = await swept(place, "failing.yaml")
    expect(again.trials.map(({ spans }) => spans.length)).toEqual(trials.map(({ spans }) => spans.length))
    expect(again.trials[1]!.error).toEqual(trials[1]!.error)
    place.write("failing.yaml", over("failure: { stop_after: 2 }"))
    const stopped = await swept(place, "failing.yaml")
    expect([stopped.trials.length, stopped.ended]).toEqual([3, "2 trials failed"])
  })

  it("begins nothing new when its budget is used up, tells the winner of what there is, and goes on with another", async () => {
    const over = (budget: string) => smallSweep(`search: { method: random, seed: 9, max_trials: 4 }\n${budget}`)
    place.write("budget.yaml", over("budget: { wall_time: 0s }"))
    const none = await place.hone("sweep", "run", "budget.yaml", "--json")
    expect([none.code, JSON.parse(none.stdout).ended]).toEqual([1, "the budget's wall_time is used up"])
    place.write("budget.yaml", over(""))
    expect((await swept(place, "budget.yaml")).trials.map(({ state }) => state)).toEqual(Array(4).fill("complete"))
  })

  it("of pipelines/ runs, on few rows", async () => {
    for (const name of ["sentiment.yaml", "sentiment-sweep.yaml"])
      place.write(`pipelines/${name}`, readFileSync(new URL(`../pipelines/${name}`, import.meta.url), "utf8"))
    const sets = ["reviews.sample=90", "params.max_length=24"].flatMap((set) => ["--set", set])
    const { code, stdout } = await place.hone(
      "sweep",
      "run",
      "pipelines/sentiment-sweep.yaml",
      "--trials",
      "4",
      ...sets
    )
    expect(code).toBe(0)
    expect(stdout).toContain("partial(last_blocks: 2)")
    expect(stdout).toContain("on the test rows, which only these two have seen (after, before)")
  })

  it("killed twenty times, at many points of it, ends with the table of an undisturbed one", async () => {
    const text = smallSweep(
      "search: { method: tpe, seed: 3, max_trials: 14, parallel: 2 }\nprune: { method: asha, rungs: [1], start_after: 2 }\nreplicates: { seeds: 2, only: { top: 2 } }"
    )
    place.write("killed.yaml", text)
    let kills = 0
    const reached = new Set<number>()
    // By turns after a delay alone, from before the first step runs, and after one more result: so it gets on, however slow the machine is.
    for (let n = 0; kills < 20 && n < 60; n++) {
      if (!(await killedAfter("killed.yaml", n % 2, n % 2 === 0 ? 250 + ((n * 1103) % 700) : (n * 37) % 100))) continue
      kills += 1
      reached.add(recordsIn(place).length)
    }
    const killed = await swept(place, "killed.yaml")
    expect(kills).toBe(20)
    expect(reached.size).toBeGreaterThan(7)
    const other = makePlace()
    other.write("small.yaml", smallPipeline)
    other.write("killed.yaml", text)
    const undisturbed = await swept(other, "killed.yaml")
    other.remove()
    expect(tableOf(killed)).toEqual(tableOf(undisturbed))
    expect(killed.decisions).toEqual(undisturbed.decisions)
    expect(killed.test).toEqual(undisturbed.test)
  })
})

/** Kills a sweep, its workers too, some milliseconds after it has made as many results; false where it had ended by then. */
const killedAfter = async (file: string, results: number, millis: number): Promise<boolean> => {
  const wanted = recordsIn(place).length + results
  const { exit } = start(place, ["sweep", "run", file, "--json"])
  let isOver = false
  const ended = exit.then(() => (isOver = true))
  await until("one more result", () => isOver || recordsIn(place).length >= wanted, 60)
  await Promise.race([ended, sleep(millis)])
  while (pidsIn(place).length > 0) {
    signal(pidsIn(place), "SIGKILL")
    await sleep(5)
  }
  return (await exit).signal === "SIGKILL"
}
