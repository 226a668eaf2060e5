import { type Metric, type Sweep } from "@hone/core/sweep/Sweep"
import type { PieceEnd } from "./piece.ts"
import type { Trial } from "./State.ts"
import { measuredBy, type Piece, type PlannedPiece } from "./Trials.ts"

/** What a whole piece came to by the objective. */
export const objectiveOf = ({ objective }: Sweep, planned: PlannedPiece): number | undefined => {
  const measured = measuredBy(planned, objective)
  return objective.at === "last" ? (measured?.series.at(-1)?.value ?? measured?.kept) : measured?.kept
}

const giveUp = (trial: Trial, { path }: Metric): void => {
  trial.state = "failed"
  trial.failure = {
    step: "",
    code: "no_value",
    message: `it gave no ${path}`,
    hint: "look at its step with `hone show`"
  }
}

/** Takes the end of a piece into its trial. */
export const absorb = (sweep: Sweep, trial: Trial, { until }: Piece, end: PieceEnd): void => {
  if (end.state === "missing") trial.state = "missing"
  else if (end.state === "failed") Object.assign(trial, { state: "failed", failure: end.failure })
  else if (until === null) finish(sweep, trial, end.planned)
  else reach(sweep, trial, until, end.planned)
}

const finish = (sweep: Sweep, trial: Trial, planned: PlannedPiece): void => {
  const value = objectiveOf(sweep, planned)
  if (value === undefined) return giveUp(trial, sweep.objective)
  trial.state = "complete"
  trial.objective = value
  trial.curve = measuredBy(planned, sweep.prune?.metric ?? sweep.objective)?.series ?? []
}

const reach = ({ prune }: Sweep, trial: Trial, until: number, planned: PlannedPiece): void => {
  // What went further than this rung shows more than is known of it here.
  const series = (measuredBy(planned, prune!.metric)?.series ?? []).filter(({ at }) => at <= until + 1e-9)
  const last = series.at(-1)
  if (last === undefined) return giveUp(trial, prune!.metric)
  trial.curve = series
  trial.reached.push({ resource: until, value: last.value })
}
