import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Place } from "../support/hone.ts"
import { makePlace } from "../support/hone.ts"
import { made, smallPipeline, swept, tableOf } from "../support/sweeps.ts"

// One test for each fault that was seen in other tools, named after it: here those of sweeps.

let place: Place
beforeAll(() => {
  place = makePlace()
  place.write("small.yaml", smallPipeline)
})
afterAll(() => place.remove())

const sweep = (text: string) =>
  place.write("s.yaml", `pipeline: small.yaml\nobjective: { metric: tuned.validation_loss }\n${text}`)

const rates = "space: { tuned.learning_rate: { choice: [0.001, 0.01, 0.1] } }\n"

describe("Hydra #1407, #3328, W&B #1787, #1879, Optuna #2021", () => {
  it("a sweep cannot resume, failed trials cannot be re-run, the same trial twice: trials are results under keys", async () => {
    sweep(
      `${rates}search: { method: list }\nstart: [{ tuned.learning_rate: 0.01 }, { tuned.learning_rate: 0.1 }, { tuned.learning_rate: 0.01 }]`
    )
    const first = await swept(place, "s.yaml")
    expect(made(place)["train/fit"]).toBe(2)
    expect(tableOf(await swept(place, "s.yaml"))).toEqual(tableOf(first))
    sweep(`${rates}search: { method: grid }`)
    expect((await swept(place, "s.yaml")).trials).toHaveLength(3)
    expect(made(place)["train/fit"]).toBe(3)
  })
})

describe("W&B #1237, #1884, #1975, Hydra #1954", () => {
  it("pruning that nobody understands, pruned trials that are lost: each decision says why, and a stopped trial goes on later", async () => {
    const fresh = makePlace()
    fresh.write("small.yaml", smallPipeline)
    const text = `pipeline: small.yaml\nobjective: { metric: tuned.validation_loss }\n${rates}search: { method: grid }\n`
    fresh.write("s.yaml", `${text}prune: { method: asha, rungs: [1], start_after: 1 }`)
    const pruned = await swept(fresh, "s.yaml")
    const stopped = pruned.trials.filter(({ state }) => state === "stopped")
    expect(stopped.length).toBeGreaterThan(0)
    expect(pruned.decisions.length).toBeGreaterThanOrEqual(3)
    for (const decision of pruned.decisions) expect(JSON.stringify(decision)).toMatch(/kept|stopped/u)
    fresh.write("s.yaml", text)
    expect((await swept(fresh, "s.yaml")).trials.every(({ state }) => state === "complete")).toBe(true)
    fresh.remove()
  })
})

describe("W&B #1487, #5004, #3482", () => {
  it("conditional, tied and grouped params: when, expr, bundles and constraints", async () => {
    sweep(`space:
  tuned.learning_rate: { choice: [0.01, 0.1] }
  tuned.weight_decay: { expr: "0.1 * tuned.learning_rate" }
  tuned.label_smoothing: { choice: [0, 0.1], when: tuned.learning_rate > 0.05 }
bundles: [{ tuned.batch_size: 8, tuned.epochs: 1 }, { tuned.batch_size: 16, tuned.epochs: 2 }]
constraints: ["tuned.batch_size * tuned.learning_rate < 1"]
search: { method: grid }`)
    const { trials } = await swept(place, "s.yaml")
    const seen = trials.map(({ params }) => params as Record<string, number>)
    for (const params of seen) {
      const rate = params["tuned.learning_rate"]!
      expect(params["tuned.weight_decay"]).toBeCloseTo(0.1 * rate, 12)
      expect("tuned.label_smoothing" in params).toBe(rate > 0.05)
      expect([
        [8, 1],
        [16, 2]
      ]).toContainEqual([params["tuned.batch_size"], params["tuned.epochs"]])
      expect(params["tuned.batch_size"]! * rate).toBeLessThan(1)
    }
    // Two bundles at the small rate, and at the large one the small batch alone, with either smoothing.
    expect(seen).toHaveLength(4)
  })
})

describe("MLflow #3763, #10477, #6348", () => {
  it("everything but what differs, the last and not the best: a table of what differs, best first", async () => {
    sweep(`${rates}search: { method: grid }`)
    const { stdout } = await place.hone("sweep", "run", "s.yaml")
    const { best, trials } = await swept(place, "s.yaml")
    expect(trials[0]!.id).toBe(best)
    expect(trials.map(({ rank }) => rank)).toEqual([1, 2, 3])
    expect(stdout).toContain("learning_rate")
    expect(stdout).not.toMatch(/batch_size|max_length/u)
  })
})
