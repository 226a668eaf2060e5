import type { SweepPlanJson } from "@hone/core/sweep/SweepJson"
import type { Forecast } from "@hone/core/Step"
import { Effect } from "effect"
import { valueText } from "../../sweep/report/names.ts"
import { outlookOf, type Outlook } from "../../sweep/outlook.ts"
import { memoryLeft } from "../../schedule/Room.ts"
import { forecastsOf, lowerMemory, roomText } from "../Forecasts.ts"
import { bytes, duration } from "../Output.ts"
import type { LoadedSweep } from "./Load.ts"

/** What the trainings of a trial hold in memory at most; undefined where nothing has to run, or too little is known. */
const peakOf = Effect.fnUntraced(function* ({ toRun }: Outlook) {
  const known = new Map<string, Forecast | undefined>()
  const peaks: Array<number> = []
  for (const { planned, prepared } of toRun) {
    const forecasts = yield* forecastsOf(prepared.pipeline, prepared.types, planned, known)
    peaks.push(...forecasts.map((one) => one.peak_memory_bytes))
  }
  return peaks.length === 0 ? undefined : peaks.reduce((most, peak) => Math.max(most, peak))
})

const pruneNotes = ({ pipeline, sweep }: LoadedSweep): ReadonlyArray<string> => {
  const { prune } = sweep
  if (prune === null) return []
  const step = pipeline.steps.find(({ name }) => name === prune.metric.step)!
  const horizon = prune.resource.horizon(step.params)
  const kept = prune.method === "asha" ? `, the best ${Math.round(100 * prune.keep)} % go on` : ""
  const rungs = `rungs at ${prune.resource.name} ${prune.rungs.join(" and ")} by ${prune.metric.path}${kept}; what was trained to a rung is continued from there`
  return horizon === undefined ? [rungs] : [rungs, horizon]
}

/** How many of the largest trials fit beside each other; the others wait while they run. */
const memoryNotes = ({ sweep }: LoadedSweep, peak: number | undefined): ReadonlyArray<string> => {
  if (peak === undefined) return []
  const { parallel } = sweep.search
  const most = sweep.memory ?? memoryLeft()
  const room = roomText(most, sweep.memory)
  const fit = Math.floor(most / peak)
  const side =
    fit === 0
      ? `, more than the ${room}: ${lowerMemory}`
      : `; ${fit} fit side by side into the ${room}${fit >= parallel ? "" : `: of ${parallel} the others wait; ${lowerMemory}, or parallel`}`
  return [`a trial is predicted to take ${bytes(peak)} of memory at most${side}`]
}

/** What `hone sweep plan` tells. */
export const planSweep = Effect.fn("plan sweep")(function* (loaded: LoadedSweep) {
  const outlook = yield* outlookOf(loaded.trials)
  const peak = yield* peakOf(outlook)
  const faulty = outlook.faulty.map(({ message, params }) => {
    const text = Object.entries(params).map(([path, value]) => `${path} ${valueText(value)}`)
    return `a trial will fail (${text.join(", ")}): ${message}`
  })
  const plan: SweepPlanJson = {
    trials: outlook.trials,
    exact: outlook.isExact,
    steps: outlook.steps,
    distinct_steps: outlook.distinct,
    done_steps: outlook.done,
    expected_seconds: outlook.seconds ?? null,
    unknown_steps: outlook.unknown,
    peak_memory_bytes: peak ?? null,
    notes: [...pruneNotes(loaded), ...memoryNotes(loaded, peak), ...faulty.slice(0, 5)]
  }
  return plan
})

/** "40 trials x 7 steps = 280, 61 distinct, 23 already done" */
export const renderSweepPlan = (plan: SweepPlanJson, { sweep }: LoadedSweep): string => {
  const { distinct_steps, done_steps, exact, expected_seconds, steps, trials, unknown_steps } = plan
  const each = trials === 0 ? 0 : steps / trials
  const about = exact ? "" : "about "
  const time =
    distinct_steps === done_steps
      ? "nothing to run"
      : expected_seconds === null
        ? "nothing like it has run yet: how long it takes is not known"
        : `about ${duration(expected_seconds)} to run${unknown_steps > 0 ? `, and ${unknown_steps} stages of which nothing is known` : ""}`
  const replicates =
    sweep.replicates.seeds > 1
      ? [
          `then ${sweep.replicates.seeds - 1} further seeds of ${sweep.replicates.top === null ? "each" : `the best ${sweep.replicates.top}`}`
        ]
      : []
  return [
    `${trials} trials x ${Number(each.toFixed(1))} steps = ${steps}, ${about}${distinct_steps} distinct, ${done_steps} already done; ${time}`,
    `by ${sweep.search.method}, ${sweep.objective.goal === "maximize" ? "for the highest" : "for the lowest"} ${sweep.objective.path}${exact ? "" : "; what is tried later hangs on results, and is counted as if it were drawn"}`,
    ...replicates,
    "then the winner's own pipeline to its end: test rows are touched there, and only there",
    ...plan.notes
  ].join("\n")
}
