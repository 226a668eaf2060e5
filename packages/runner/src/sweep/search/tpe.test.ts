import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Json } from "@hone/core/Json"
import type { Domain } from "@hone/core/sweep/Domain"
import type { ParamExpression } from "@hone/core/sweep/expressions"
import { readExpression } from "@hone/core/sweep/expressions"
import { type Method, type Space, type SpaceParam, type Sweep, trialId, type TrialParams } from "@hone/core/sweep/Sweep"
import { describe, expect, it } from "vitest"
import { samplerOf, type Seen } from "./Sampler.ts"

const golden = JSON.parse(
  readFileSync(fileURLToPath(new URL("../../../../../test/golden/tpe/optuna.json", import.meta.url)), "utf8")
) as { trials: number; seeds: number; functions: Record<string, { mean: number; sd: number; median: number }> }

const range = (low: number, high: number, isLog = false, step: number | null = null): Domain => ({
  kind: "number",
  low,
  high,
  isLog,
  step,
  points: null
})
const choice = (...values: ReadonlyArray<Json>): Domain => ({ kind: "choice", values })
const param = (path: string, from: Domain, when?: string): SpaceParam => ({
  path,
  from,
  when: when === undefined ? undefined : (readExpression(when, ["bool"], { "s.strategy": "text" }) as ParamExpression)
})

const spaceOf = (params: ReadonlyArray<SpaceParam>): Space => ({
  params,
  bundles: [],
  constraints: [],
  base: () => undefined,
  alias: (path) => path
})

const sweepOf = (space: Space, method: Method, seed: number) =>
  ({ search: { method, seed, max_trials: null, parallel: 1 }, space, start: [] }) as unknown as Sweep

const log10 = (value: Json | undefined) => Math.log10(value as number)
const at = <A>(table: Readonly<Record<string, A>>, key: Json | undefined) => table[String(key)]!

/** The functions of test/golden/tpe/make.py. */
const functions: Readonly<Record<string, readonly [Space, (params: TrialParams) => number]>> = {
  branin: [
    spaceOf([param("s.x", range(-5, 10)), param("s.y", range(0, 15))]),
    (params) => {
      const [x, y] = [params["s.x"] as number, params["s.y"] as number]
      const [b, c, t] = [5.1 / (4 * Math.PI ** 2), 5 / Math.PI, 1 / (8 * Math.PI)]
      return (y - b * x * x + c * x - 6) ** 2 + 10 * (1 - t) * Math.cos(x) + 10 - 0.39788735772973816
    }
  ],
  mixed: [
    spaceOf([
      param("s.rate", range(1e-5, 1e-1, true)),
      param("s.batch", choice(8, 16, 32, 64)),
      param("s.blocks", range(1, 12, false, 1))
    ]),
    (params) =>
      (log10(params["s.rate"]) + 3) ** 2 +
      at({ 8: 0.4, 16: 0, 32: 0.2, 64: 0.8 }, params["s.batch"]) +
      0.05 * ((params["s.blocks"] as number) - 7) ** 2
  ],
  conditional: [
    spaceOf([
      param("s.strategy", choice("head", "partial", "full")),
      param("s.rate", range(1e-5, 1e-1, true)),
      param("s.decay", range(0.5, 1), 's.strategy != "head"')
    ]),
    (params) => {
      const strategy = params["s.strategy"]
      const best = at({ head: -2, partial: -3.5, full: -4.5 }, strategy)
      const decay = params["s.decay"] as number | undefined
      return (
        (log10(params["s.rate"]) - best) ** 2 +
        at({ head: 0.5, partial: 0.1, full: 0 }, strategy) +
        (decay === undefined ? 0 : 10 * (decay - 0.85) ** 2)
      )
    }
  ]
}

const searched = (name: string, method: Method, seed: number, trials: number) => {
  const [space, loss] = functions[name]!
  const sampler = samplerOf(sweepOf(space, method, seed))
  const seen: Array<Seen> = []
  const known = new Set<string>()
  for (let n = 0; n < trials; n++) {
    const { params } = sampler.next(n, known, seen)!
    known.add(trialId(params))
    seen.push({ params, loss: loss(params), stopped: null })
  }
  return seen
}

const bestOf = (seen: ReadonlyArray<Seen>) => Math.min(...seen.map((trial) => trial.loss!))
const meanOf = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0) / values.length
const medianOf = (values: ReadonlyArray<number>) => [...values].sort((a, b) => a - b)[values.length / 2]!
const sdOf = (values: ReadonlyArray<number>) =>
  Math.sqrt(values.reduce((sum, value) => sum + (value - meanOf(values)) ** 2, 0) / (values.length - 1))

describe("tpe", () => {
  it.each(Object.keys(functions))("finds as low a %s as Optuna's, and lower than random draws do", (name) => {
    const { seeds, trials } = golden
    const of = (method: Method) =>
      Array.from({ length: seeds }, (_, seed) => bestOf(searched(name, method, seed, trials)))
    const [ours, drawn] = [of("tpe"), of("random")]
    const theirs = golden.functions[name]!
    const noise = Math.sqrt((sdOf(ours) ** 2 + theirs.sd ** 2) / seeds)
    expect(meanOf(ours)).toBeLessThan(theirs.mean + 2 * noise)
    expect(medianOf(ours)).toBeLessThan(medianOf(drawn))
  })

  it("asks for the same trials when it is shown the same results", () => {
    const once = searched("conditional", "tpe", 3, 25)
    expect(searched("conditional", "tpe", 3, 25)).toEqual(once)
    expect(searched("conditional", "tpe", 4, 25)).not.toEqual(once)
    expect(once.every(({ params }) => (params["s.strategy"] === "head") === (params["s.decay"] === undefined))).toBe(
      true
    )
  })
})
