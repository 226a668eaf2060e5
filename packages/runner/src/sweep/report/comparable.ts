import type { SweepJson, SweepTrial } from "@hone/core/sweep/SweepJson"

/** A number that trials are held against each other by. */
export interface Comparable {
  /** "tuned.validation_loss", "tuned.validation_loss at epoch 1" */
  readonly of: string
  readonly goal: "maximize" | "minimize"
  /** Null where the trial has none. */
  readonly valueOf: (trial: SweepTrial) => number | null
}

type Told = Pick<SweepJson, "curve" | "objective" | "prune" | "trials">

const wholeTrials = ({ objective: { goal, metric } }: Told): Comparable => ({
  of: metric,
  goal,
  valueOf: ({ objective, state }) => (state === "complete" ? objective : null)
})

const firstRung = ({ curve, prune }: Told): Comparable | undefined => {
  if (curve === null || prune === null) return undefined
  const first = Math.min(...prune.rungs)
  return {
    of: `${curve.metric} at ${curve.resource} ${first}`,
    goal: curve.goal,
    valueOf: ({ rungs }) => rungs.find(({ resource }) => resource === first)?.value ?? null
  }
}

/**
 * The objective; where pruning let fewer than half of the trials come to their end, which are alike in what matters then, the first rung,
 * to which good and bad ones have come.
 */
export const comparableOf = (sweep: Told): Comparable => {
  const [whole, rung] = [wholeTrials(sweep), firstRung(sweep)]
  const count = ({ valueOf }: Comparable) => sweep.trials.filter((trial) => valueOf(trial) !== null).length
  return rung !== undefined && count(rung) > 2 * count(whole) ? rung : whole
}
