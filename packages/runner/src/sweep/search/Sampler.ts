import type { Json } from "@hone/core/Json"
import { gridOf } from "@hone/core/sweep/Domain"
import { resolve, resolveValid } from "@hone/core/sweep/resolve"
import { bundlePath, dimensionsOf, type Space, type Sweep, trialId, type TrialParams } from "@hone/core/sweep/Sweep"
import { halton } from "./halton.ts"
import { random } from "./random.ts"
import { tpe } from "./tpe.ts"

/** A trial as far as a sampler sees it. */
export interface Seen {
  readonly params: TrialParams
  /** The objective, less is better; null where it has none: stopped on the way, or failed. */
  readonly loss: number | null
  /** Of a stopped trial: how far it came, and the loss there. */
  readonly stopped: { readonly resource: number; readonly loss: number } | null
}

export interface Proposal {
  readonly params: TrialParams
  /** What chose it: `start`, or the method. */
  readonly by: string
}

/** Chooses the value of each dimension of trial `n` (from 0); undefined where there are no more. */
export type Propose = (
  n: number,
  attempt: number,
  seen: ReadonlyArray<Seen>
) => ((path: string) => Json | undefined) | undefined

export interface Sampler {
  /** Whether what it proposes hangs on the results of earlier trials. */
  readonly isAdaptive: boolean
  /**
   * The trial of this number: what `start` lists first. A pure function of the sweep, the number and what is seen, so that a search
   * that is run again asks for the same trials.
   * @param known ids of the trials before: none is proposed twice
   */
  readonly next: (n: number, known: ReadonlySet<string>, seen: ReadonlyArray<Seen>) => Proposal | undefined
}

/** Draws for one trial before the space is taken to hold no further one. */
const attempts = 2000

export const samplerOf = (sweep: Sweep): Sampler => {
  const { method, seed } = sweep.search
  const { space } = sweep
  const listed = listedTrials(sweep)
  if (method === "list" || method === "grid") {
    const all = method === "list" ? listed : [...listed, ...gridTrials(space)]
    return { isAdaptive: false, next: firstUnknown(all) }
  }
  const dimensions = dimensionsOf(space)
  const propose: Propose =
    method === "random"
      ? random(dimensions, seed)
      : method === "quasi_random"
        ? halton(dimensions, seed)
        : tpe(dimensions, seed, { bundles: space.bundles })
  const unknownListed = firstUnknown(listed)
  const next: Sampler["next"] = (n, known, seen) => {
    const first = unknownListed(n, known, seen)
    if (first !== undefined) return first
    for (let attempt = 0; attempt < attempts; attempt++) {
      const drawn = propose(n - listed.length, attempt, seen)
      const params = drawn === undefined ? undefined : resolveValid(space, drawn)
      if (params !== undefined && !known.has(trialId(params))) return { params, by: method }
    }
    return undefined
  }
  return { isAdaptive: method === "tpe", next }
}

/** The first of a list that is not known yet. */
const firstUnknown = (all: ReadonlyArray<Proposal>): Sampler["next"] => {
  const ids = all.map(({ params }) => trialId(params))
  return (_, known) => {
    const at = ids.findIndex((id) => !known.has(id))
    return all[at]
  }
}

/** What `start` lists, ties and conditions applied; under `method: list` with each of the bundles. */
const listedTrials = ({ search, space, start }: Sweep): ReadonlyArray<Proposal> => {
  const isList = search.method === "list"
  const maps = start.length === 0 && isList ? [{}] : start
  const bundles = isList && space.bundles.length > 1 ? space.bundles.map((_, at) => at) : [undefined]
  return maps.flatMap((map: TrialParams) =>
    bundles.map((bundle) => ({
      params: { ...resolve(space, (path) => (path === bundlePath ? bundle : map[path])), ...map },
      by: isList ? "list" : "start"
    }))
  )
}

/** Every combination of the dimensions' values, the last one fastest, that the constraints let through; each once. */
const gridTrials = (space: Space): ReadonlyArray<Proposal> => {
  const dimensions = dimensionsOf(space).map(({ domain, path }) => ({ path, values: gridOf(domain) ?? [] }))
  const size = dimensions.reduce((product, { values }) => product * values.length, 1)
  const seen = new Set<string>()
  const trials: Array<Proposal> = []
  for (let n = 0; n < size; n++) {
    let rest = n
    const chosen = new Map<string, Json>()
    for (const { path, values } of [...dimensions].reverse()) {
      chosen.set(path, values[rest % values.length]!)
      rest = Math.floor(rest / values.length)
    }
    const params = resolveValid(space, (path) => chosen.get(path))
    const id = params === undefined ? "" : trialId(params)
    if (params === undefined || seen.has(id)) continue
    seen.add(id)
    trials.push({ params, by: "grid" })
  }
  return trials
}
