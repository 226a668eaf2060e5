import type { Sweep, TrialParams } from "@hone/core/sweep/Sweep"
import type { Decision, Reached } from "./decide.ts"
import type { Seen } from "./search/Sampler.ts"
import type { TrialFailure, Worked } from "./TrialLog.ts"
import type { PlannedPiece } from "./Trials.ts"

/** What a trial does at the moment, as its work tells it. */
export interface Doing {
  readonly slot: number
  readonly until: number | null
  readonly replicate: number
  step: string
  done: number
  total: number | null
  values: Readonly<Record<string, number>>
}

/** A trial as the search goes on. */
export interface Trial {
  /** From 0. */
  readonly number: number
  readonly id: string
  readonly params: TrialParams
  readonly by: string
  readonly ladder: ReadonlyArray<number>
  readonly reached: Array<Reached>
  readonly decisions: Array<Decision>
  passed: number
  /** `missing`: what it needs has not run, and does not run now. */
  state: "going" | "complete" | "failed" | "stopped" | "missing"
  objective: number | null
  curve: ReadonlyArray<{ readonly at: number; readonly value: number }>
  /** By replicate, from 1: null where it failed or has not run. */
  readonly replicates: Map<number, number | null>
  failure: TrialFailure | null
  readonly work: Array<Worked>
  readonly doing: Map<number, Doing>
}

export interface SweepState {
  readonly sweep: Sweep
  readonly trials: Array<Trial>
  readonly decisions: Array<Decision>
  phase: "search" | "replicates" | "test"
  /** Why there is no further trial; undefined while there may be. */
  ended: string | undefined
  /** The winner's whole pipeline, once it has run. */
  test: PlannedPiece | undefined
  /** What the winner's whole pipeline failed by. */
  testFailure: TrialFailure | undefined
  /** Steps of all pieces, and the distinct ones among them by their keys. */
  steps: number
  readonly distinct: Set<string>
  readonly startedAt: number
  deviceSeconds: number
}

export const emptyState = (sweep: Sweep, startedAt: number): SweepState => ({
  sweep,
  trials: [],
  decisions: [],
  phase: "search",
  ended: undefined,
  test: undefined,
  testFailure: undefined,
  steps: 0,
  distinct: new Set(),
  startedAt,
  deviceSeconds: 0
})

const mean = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0) / values.length

/** The values of all replicates that have one, that of the file's own seed first. */
export const valuesOf = (trial: Trial): ReadonlyArray<number> =>
  trial.objective === null ? [] : [trial.objective, ...[...trial.replicates.values()].filter((value) => value !== null)]

export const meanOf = (trial: Trial): number | null => {
  const values = valuesOf(trial)
  return values.length === 0 ? null : mean(values)
}

/** Sample standard deviation over the replicates; null for fewer than two. */
export const sdOf = (trial: Trial): number | null => {
  const values = valuesOf(trial)
  if (values.length < 2) return null
  if (values.every((value) => value === values[0])) return 0 // a mean of equal numbers need not be that number
  const middle = mean(values)
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1))
}

/** Complete trials from the best on. One that was tried under more seeds is known better, and stands before those tried under one. */
export const rankedTrials = ({ sweep, trials }: Pick<SweepState, "sweep" | "trials">): ReadonlyArray<Trial> => {
  const sign = sweep.objective.goal === "maximize" ? -1 : 1
  const isReplicated = (trial: Trial) => (valuesOf(trial).length > 1 ? 0 : 1)
  return trials
    .filter((trial) => trial.state === "complete" && trial.objective !== null)
    .sort((a, b) => isReplicated(a) - isReplicated(b) || sign * (meanOf(a)! - meanOf(b)!) || a.number - b.number)
}

/** The trials as samplers see them. */
export const seenBy = ({ sweep, trials }: SweepState): ReadonlyArray<Seen> => {
  const loss = (value: number, goal: "maximize" | "minimize") => (goal === "maximize" ? -value : value)
  return trials.map((trial) => {
    const last = trial.reached.at(-1)
    const isStopped = trial.state === "stopped" && last !== undefined && sweep.prune !== null
    return {
      params: trial.params,
      loss: trial.objective === null ? null : loss(trial.objective, sweep.objective.goal),
      stopped: isStopped ? { resource: last.resource, loss: loss(last.value, sweep.prune!.metric.goal) } : null
    }
  })
}
