import type { SweepTrial } from "@hone/core/sweep/SweepJson"
import { assert, describe, it } from "vitest"
import { exampleSweep } from "../testing/exampleSweep.ts"
import { comparableOf } from "./comparable.ts"
import { objectiveAxis, paramAxes } from "./axes.ts"
import { numberText, shortNames, valueText } from "./names.ts"
import { timelineOf } from "./timeline.ts"

const sweep = exampleSweep()
const trialWith = (params: SweepTrial["params"]): SweepTrial => ({ ...sweep.trials[0]!, params })

describe("axes", () => {
  const axes = paramAxes(sweep)

  it("are the params that differ and are not tied, by their shortest names", () => {
    const names = axes.map(({ kind, name }) => `${name} ${kind}`)
    assert.deepStrictEqual(names, [
      "learning_rate log",
      "batch_size category",
      "strategy category",
      "layer_decay linear"
    ])
  })

  it("place a value as its scale does", () => {
    const places = (path: string, at: number, values: ReadonlyArray<unknown>) =>
      values.map((value) => axes[at]!.placeOf(trialWith({ [path]: value })))
    assert.deepStrictEqual(
      places("tuned.learning_rate", 0, [1e-5, 1e-4, 1e-3]).map((place) => Number(place!.toFixed(9))),
      [0, 0.5, 1]
    )
    assert.deepStrictEqual(places("tuned.batch_size", 1, [8, 16, 32]), [0, 0.5, 1])
    assert.deepStrictEqual(
      places("trainable.strategy", 2, ["head", "full", { partial: { last_blocks: 2 } }]),
      [0, 1, 0.5]
    )
  })

  it("have no place for a param that a condition left out", () => {
    assert.isNull(axes[3]!.placeOf(trialWith({})))
  })

  it("put the best objective at 1, whichever way it goes", () => {
    const placesOf = (goal: "maximize" | "minimize") => {
      const axis = objectiveAxis({ of: "accuracy", goal, valueOf: ({ objective }) => objective }, sweep.trials)!
      const of = (objective: number | null) => axis.placeOf({ ...sweep.trials[0]!, objective })
      const values = sweep.trials.flatMap(({ objective }) => objective ?? [])
      return [of(Math.max(...values)), of(Math.min(...values)), of(null)]
    }
    assert.deepStrictEqual(placesOf("maximize"), [1, 0, null])
    assert.deepStrictEqual(placesOf("minimize"), [0, 1, null])
  })
})

it("trials are held against each other by the objective, or by the first rung where most were stopped", () => {
  const held = (stopped: number) => {
    const trials = sweep.trials.map((trial, at) => (at < stopped ? { ...trial, state: "stopped" as const } : trial))
    const { of, valueOf } = comparableOf({ ...sweep, trials })
    return [of, trials.filter((trial) => valueOf(trial) !== null).length]
  }
  assert.deepStrictEqual(held(17), ["tuned.validation_accuracy at epoch 1", 17])
  const whole = { ...sweep, trials: sweep.trials.filter(({ state }) => state === "complete") }
  assert.strictEqual(comparableOf(whole).of, "tuned.validation_accuracy")
})

it("names are as short as they can be told apart", () => {
  assert.deepStrictEqual(shortNames(["a.rate", "b.rate", "b.size", "params.rate"]), [
    "a.rate",
    "b.rate",
    "size",
    "params.rate"
  ])
})

it("values are short", () => {
  const values = [
    0.84123,
    3e-4,
    0.000123456,
    12,
    2e7,
    "head",
    { partial: { last_blocks: 2 } },
    { lora: { r: 8, alpha: 16 } },
    undefined
  ]
  assert.deepStrictEqual(values.map(valueText), [
    "0.8412",
    "3e-4",
    "1.235e-4",
    "12",
    "2e7",
    "head",
    "partial(last_blocks: 2)",
    "lora(r: 8, alpha: 16)",
    ""
  ])
  assert.strictEqual(numberText(-1e-9), "-1e-9")
})

describe("the time line", () => {
  const span = (slot: number, from: number, seconds: number) => ({
    slot,
    started_at: new Date(1e12 + 1000 * from).toISOString(),
    seconds,
    until: null,
    replicate: 0
  })
  const trial = (...spans: ReadonlyArray<SweepTrial["spans"][number]>): SweepTrial => ({ ...sweep.trials[0]!, spans })

  it("keeps what overlaps and cuts a night out", () => {
    const { cuts, stretches } = timelineOf([
      trial(span(0, 0, 50), span(0, 36_000, 50)),
      trial(span(1, 10, 50), span(1, 36_010, 50))
    ])
    // 200 seconds of work: idle time over 6 seconds is cut to that.
    assert.deepStrictEqual(
      stretches.map(({ from, slot, to }) => [slot, from, to]),
      [
        [0, 0, 50],
        [1, 10, 60],
        [0, 66, 116],
        [1, 76, 126]
      ]
    )
    assert.deepStrictEqual(cuts, [{ at: 63, seconds: 35_940 }])
  })

  it("is empty where all was there already", () => {
    assert.deepStrictEqual(timelineOf([trial()]), { stretches: [], cuts: [] })
  })
})
