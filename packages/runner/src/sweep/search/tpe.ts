import type { Json } from "@hone/core/Json"
import type { Domain } from "@hone/core/sweep/Domain"
import { settled } from "@hone/core/sweep/Domain"
import { drawFor } from "@hone/core/sweep/draw"
import { bundlePath, type Dimension, type TrialParams } from "@hone/core/sweep/Sweep"
import { categoricalMixture, numericMixture, type Observed } from "./parzen.ts"
import { random } from "./random.ts"
import type { Propose, Seen } from "./Sampler.ts"

// As Optuna's TPESampler has them by default (optuna/samplers/_tpe/sampler.py).
const startupTrials = 10
const candidates = 24
const goodTrials = (n: number) => Math.min(Math.ceil(0.1 * n), 25)
/** Weights of n trials, oldest first: the last 25 count fully, those before less and less. */
const weightsOf = (n: number): ReadonlyArray<number> =>
  Array.from({ length: n }, (_, at) =>
    n < 25 || at >= n - 25 ? 1 : n === 26 ? 1 / n : 1 / n + (at / (n - 25 - 1)) * (1 - 1 / n)
  )

interface Ranked {
  readonly params: TrialParams
  readonly at: number
}

/** Trials from the best on: those with an objective, then those stopped, the furthest first. Failed ones tell nothing. */
const ranked = (seen: ReadonlyArray<Seen>): ReadonlyArray<Ranked> => {
  const told = seen.flatMap((trial, at) => (trial.loss === null && trial.stopped === null ? [] : [{ ...trial, at }]))
  return told.sort((a, b) => {
    if (a.loss !== null && b.loss !== null) return a.loss - b.loss || a.at - b.at
    if (a.loss !== null || b.loss !== null) return a.loss !== null ? -1 : 1
    return b.stopped!.resource - a.stopped!.resource || a.stopped!.loss - b.stopped!.loss || a.at - b.at
  })
}

const sameValue = (a: Json | undefined, b: Json | undefined) => JSON.stringify(a) === JSON.stringify(b)

/** Which value a trial has of a dimension, as a number: of choices and bundles its place in the list; undefined where it has none. */
const observedOf = ({ domain, path }: Dimension, params: TrialParams, bundles: ReadonlyArray<TrialParams>) => {
  if (path === bundlePath) {
    const at = bundles.findIndex((bundle) =>
      Object.entries(bundle).every(([of, value]) => sameValue(params[of], value))
    )
    return at < 0 ? undefined : at
  }
  const value = params[path]
  if (domain.kind === "choice") {
    const at = domain.values.findIndex((one) => sameValue(one, value))
    return at < 0 ? undefined : at
  }
  return typeof value === "number" ? value : undefined
}

/**
 * Tree-structured Parzen estimator: of 24 values drawn where the best tenth of the trials lies dense, the one whose density there
 * exceeds that of the others most. Each dimension by itself, from the trials that have it.
 * Source: Bergstra et al. 2011; defaults of Optuna's `TPESampler(multivariate=False)`.
 */
export const tpe = (
  dimensions: ReadonlyArray<Dimension>,
  seed: number,
  { bundles }: { readonly bundles: ReadonlyArray<TrialParams> }
): Propose => {
  const first = random(dimensions, seed)
  const byPath = new Map(dimensions.map((dimension) => [dimension.path, dimension]))
  return (n, attempt, seen) => {
    const order = ranked(seen)
    if (order.length < startupTrials) return first(n, attempt, seen)
    const good = goodTrials(order.length)
    const parts = [order.slice(0, good), order.slice(good)].map((part) => [...part].sort((a, b) => a.at - b.at))
    return (path) => {
      const dimension = byPath.get(path)
      if (dimension === undefined) return undefined
      const [below, above] = parts.map((part) => {
        const values = part.flatMap(({ params }) => observedOf(dimension, params, bundles) ?? [])
        return { values, weights: weightsOf(values.length) } satisfies Observed
      })
      const draw = drawFor(seed, `tpe/${n}/${attempt}/${path}`)
      return likeliest(dimension.domain, below!, above!, draw)
    }
  }
}

const likeliest = (domain: Domain, below: Observed, above: Observed, draw: () => number): Json => {
  const mixture = (observed: Observed) =>
    domain.kind === "choice" ? categoricalMixture(domain.values.length, observed) : numericMixture(domain, observed)
  const [good, bad] = [mixture(below), mixture(above)]
  let [best, most] = [0, -Infinity]
  for (let at = 0; at < candidates; at++) {
    const value = good.sample(draw)
    const gain = good.logDensity(value) - bad.logDensity(value)
    if (gain > most) [best, most] = [value, gain]
  }
  return domain.kind === "choice" ? domain.values[best]! : settled(domain, best)
}
