import type { Pruning } from "@hone/core/sweep/Sweep"

/** A rung that a trial has come to. */
export interface Reached {
  readonly resource: number
  /** Of the pruning's metric. */
  readonly value: number
}

export interface Decision {
  readonly trial: number
  readonly resource: number
  readonly value: number
  readonly threshold: number | null
  readonly decision: "kept" | "stopped"
  readonly why: string
}

/** A trial as decisions see it. */
export interface Runner {
  readonly trial: number
  /** The rungs that it passes on its way. */
  readonly ladder: ReadonlyArray<number>
  readonly reached: ReadonlyArray<Reached>
  /** How many rungs it was let beyond: as many as it has reached, unless it waits for a decision. */
  readonly passed: number
  readonly state: "going" | "complete" | "failed" | "stopped"
}

export type Move =
  | { readonly do: "ask" }
  | { readonly do: "decide"; readonly decision: Decision }
  /** Nothing can be decided before more is known. */
  | { readonly do: "wait" }

export interface Situation {
  readonly runners: ReadonlyArray<Runner>
  /** Whether there are further trials to begin. */
  readonly canAsk: boolean
  /** Whether some work has still to tell its result. */
  readonly isPending: boolean
}

const waitsAt = ({ passed, reached, state }: Runner): Reached | undefined =>
  state === "going" && reached.length > passed ? reached.at(-1) : undefined

/** What to do next: a pure function of what is known, so that a search that is run again decides as before. Undefined: all is done. */
export const nextMove = (pruning: Pruning | null, situation: Situation): Move | undefined => {
  const decision = pruning === null ? undefined : judged(pruning, situation)
  if (decision !== undefined) return { do: "decide", decision }
  if (situation.canAsk) return { do: "ask" }
  if (situation.isPending) return { do: "wait" }
  const last = pruning?.method === "asha" ? closing(pruning, situation.runners) : undefined
  return last === undefined ? undefined : { do: "decide", decision: last }
}

const judged = (pruning: Pruning, { runners }: Situation): Decision | undefined =>
  pruning.method === "asha" ? promotion(pruning, runners) : verdict(pruning, runners)

const better = ({ metric }: Pruning, a: number, b: number): number => (metric.goal === "maximize" ? b - a : a - b)

interface AtRung extends Reached {
  readonly runner: Runner
}

/** Everyone who came to a rung, the best first, the earlier trial first of equals. */
const comers = (pruning: Pruning, runners: ReadonlyArray<Runner>, resource: number): ReadonlyArray<AtRung> =>
  runners
    .flatMap((runner) => {
      const reached = runner.reached.find((one) => one.resource === resource)
      return reached === undefined ? [] : [{ ...reached, runner }]
    })
    .sort((a, b) => better(pruning, a.value, b.value) || a.runner.trial - b.runner.trial)

const told = (
  { resource, runner, value }: AtRung,
  decision: Decision["decision"],
  threshold: number | null,
  why: string
): Decision => ({ trial: runner.trial, resource, value, threshold, decision, why })

const plural = (n: number, word: string) => `${n} ${word}${n === 1 ? "" : "s"}`

/**
 * Asynchronous successive halving: a trial goes on from a rung as soon as it is among the best share of those that have come there,
 * the highest rung first. Source: Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning (ASHA), algorithm 2.
 */
const promotion = (pruning: Pruning, runners: ReadonlyArray<Runner>): Decision | undefined => {
  for (const resource of [...pruning.rungs].reverse()) {
    const all = comers(pruning, runners, resource)
    const most = Math.floor(all.length * pruning.keep + 1e-9)
    if (all.length < pruning.start_after || most === 0) continue
    const next = all.slice(0, most).find(({ runner }) => waitsAt(runner)?.resource === resource)
    if (next === undefined) continue
    const why = most === 1 ? `the best of ${all.length}` : `among the best ${most} of ${all.length}`
    return told(next, "kept", all[most - 1]!.value, why)
  }
  return undefined
}

/** Once nobody else will come to a rung, those who wait there are stopped, or let on where there is too little to go by. */
const closing = (pruning: Pruning, runners: ReadonlyArray<Runner>): Decision | undefined => {
  for (const resource of pruning.rungs) {
    const all = comers(pruning, runners, resource)
    const waiting = all.filter(({ runner }) => waitsAt(runner)?.resource === resource)
    const first = waiting[0]
    if (first === undefined) continue
    if (all.length < pruning.start_after)
      return told(
        first,
        "kept",
        null,
        `only ${plural(all.length, "trial")} came this far: too few to compare (start_after ${pruning.start_after})`
      )
    if (waiting.length === all.length) return told(first, "kept", null, `the best of ${all.length}`)
    const most = Math.max(1, Math.floor(all.length * pruning.keep + 1e-9))
    const threshold = all[most - 1]!.value
    return told(first, "stopped", threshold, `not among the best ${most} of ${all.length}`)
  }
  return undefined
}

const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** A trial is judged where it stands, by those that were there before it or by a fixed value. */
const verdict = (pruning: Pruning, runners: ReadonlyArray<Runner>): Decision | undefined => {
  const runner = runners.find((one) => waitsAt(one) !== undefined)
  if (runner === undefined) return undefined
  const at: AtRung = { ...waitsAt(runner)!, runner }
  const others = runners
    .filter((one) => one.trial < runner.trial)
    .flatMap(({ reached }) => reached.filter(({ resource }) => resource === at.resource))
  if (others.length < pruning.start_after && pruning.method === "median")
    return told(
      at,
      "kept",
      null,
      `only ${plural(others.length, "trial")} came here before (start_after ${pruning.start_after})`
    )
  const threshold = pruning.method === "median" ? median(others.map(({ value }) => value)) : pruning.threshold
  const of = pruning.method === "median" ? `the median of ${others.length}` : "the threshold"
  return better(pruning, at.value, threshold) <= 0
    ? told(at, "kept", threshold, `not worse than ${of}`)
    : told(at, "stopped", threshold, `worse than ${of}`)
}
