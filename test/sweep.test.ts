import { appendFileSync, readFileSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"
import { filesIn } from "./support/store.ts"
import { made, smallPipeline, smallSweep, swept, tableOf } from "./support/sweeps.ts"

let place: Place
beforeAll(() => {
  place = makePlace()
  place.write("small.yaml", smallPipeline)
})
afterAll(() => place.remove())

describe("a sweep", () => {
  it("computes once what its trials share, touches test rows with the winner alone, and then runs nothing", async () => {
    place.write("random.yaml", smallSweep("search: { method: random, seed: 1, max_trials: 3 }"))
    const first = await swept(place, "random.yaml")
    expect(made(place)).toMatchObject({
      ingest: 1,
      base: 1,
      tokenize: 1,
      split: 1,
      freeze: 1,
      "train/fit": 3,
      "evaluate/metrics": 2
    })
    expect(first.trials.map(({ rank, state }) => [rank, state])).toEqual([1, 2, 3].map((rank) => [rank, "complete"]))
    expect(first.test!.metric).toBe("log_loss")
    expect(Object.keys(first.base!.test)).toContain("accuracy")
    const before = made(place)
    const planned = await place.hone("sweep", "plan", "random.yaml")
    expect(planned.stdout).toContain("3 trials x 6 steps = 18, 8 distinct, 8 already done; nothing to run")
    expect(tableOf(await swept(place, "random.yaml"))).toEqual(tableOf(first))
    expect(tableOf(await swept(place, "random.yaml", "show"))).toEqual(tableOf(first))
    expect(made(place)).toEqual(before)
  })

  it("runs only what is new when more trials, rungs or seeds are asked for", async () => {
    const fits = made(place)["train/fit"]!
    // What a kill while it was written leaves of the log's last line.
    const [log] = filesIn(place, "sweeps").filter((path) => path.endsWith(".jsonl"))
    appendFileSync(log!, '{"what":"worked","trial":"0123')
    place.write("random.yaml", smallSweep("search: { method: random, seed: 1, max_trials: 5 }"))
    await swept(place, "random.yaml")
    expect(made(place)["train/fit"]).toBe(fits + 2)
    const lines = readFileSync(log!, "utf8").split("\n")
    const asked = lines.flatMap((line) => (line.startsWith('{"what":"asked"') ? [JSON.parse(line).n] : []))
    expect(asked).toEqual([0, 1, 2, 3, 4])
    const asha = "prune: { method: asha, rungs: [1], start_after: 1 }"
    place.write("random.yaml", smallSweep(`search: { method: random, seed: 1, max_trials: 5 }\n${asha}`))
    const { stdout } = await place.hone("sweep", "plan", "random.yaml")
    expect(stdout).toContain("trials for more epochs begin anew, unless schedule_epochs is set")
    const pruned = await swept(place, "random.yaml")
    expect(made(place)["train/fit"]).toBe(fits + 2)
    // All five were there: what was decided at the rung is told, and nothing is thrown away for it.
    expect(pruned.decisions).toHaveLength(5)
    expect(pruned.trials.every(({ rungs, state }) => state === "complete" && rungs[0]!.resource === 1)).toBe(true)
    place.write(
      "random.yaml",
      smallSweep("search: { method: random, seed: 1, max_trials: 5 }\nreplicates: { seeds: 2, only: { top: 1 } }")
    )
    const replicated = await swept(place, "random.yaml")
    expect(made(place)["train/fit"]).toBe(fits + 3)
    expect(replicated.trials[0]!.replicates).toHaveLength(2)
    expect(replicated.trials[0]!.sd).toBeGreaterThan(0)
  })
})
