import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"
import { smallPipeline, smallSweep, swept, tableOf } from "./support/sweeps.ts"

const launcher = fileURLToPath(new URL("../hone", import.meta.url))

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

  it("killed twenty times at random, ends with the table of an undisturbed one", async () => {
    const text = smallSweep(
      "search: { method: tpe, seed: 3, max_trials: 14, parallel: 2 }\nprune: { method: asha, rungs: [1], start_after: 2 }\nreplicates: { seeds: 2, only: { top: 2 } }"
    )
    place.write("killed.yaml", text)
    let kills = 0
    // Delays from a fixed sequence: from before the first step runs to late in the search.
    for (let n = 0; kills < 20 && n < 60; n++)
      if (await killedAfter("killed.yaml", 300 + ((n * 1103) % 2500))) kills += 1
    const killed = await swept(place, "killed.yaml")
    expect(kills).toBeGreaterThan(5)
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

/** Kills a sweep, its workers too, after some milliseconds; false where it had ended by then. */
const killedAfter = (file: string, millis: number): Promise<boolean> =>
  new Promise((resolve) => {
    const child = spawn(launcher, ["sweep", "run", file, "--json"], {
      cwd: place.folder,
      detached: true,
      stdio: "ignore"
    })
    const timer = setTimeout(() => process.kill(-child.pid!, "SIGKILL"), millis)
    child.on("close", (_, signal) => {
      clearTimeout(timer)
      resolve(signal === "SIGKILL")
    })
  })
