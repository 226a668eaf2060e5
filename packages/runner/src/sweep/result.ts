import type { Pipeline, PipelineStep } from "@hone/core/Pipeline"
import type { Facts, Measure } from "@hone/core/Step"
import { tellsHeldOut } from "@hone/core/sweep/checkMetrics"
import { isExpression, type Space, type Sweep, type TrialParams } from "@hone/core/sweep/Sweep"
import type { SweepJson, SweepTrial } from "@hone/core/sweep/SweepJson"
import { stepsBehind } from "../results/Upstream.ts"
import type { Decision } from "./decide.ts"
import { meanOf, rankedTrials, sdOf, type SweepState, type Trial } from "./State.ts"
import type { PlannedPiece } from "./Trials.ts"

export interface ResultOptions {
  readonly state: SweepState
  readonly pipeline: Pipeline
  readonly file: string
  /** Wall seconds of this call. */
  readonly seconds: number
}

/** What is told of a sweep, from its state. */
export const sweepJson = ({ file, pipeline, seconds, state }: ResultOptions): SweepJson => {
  const { sweep } = state
  const ranked = rankedTrials(state)
  const others = state.trials.filter((trial) => !ranked.includes(trial))
  const trials = [
    ...ranked.map((trial, at) => trialJson(trial, at + 1)),
    ...others.map((trial) => trialJson(trial, null))
  ]
  const test = testOf(state, pipeline)
  const curve = sweep.prune?.metric ?? sweep.objective
  const result: SweepJson = {
    version: 1,
    pipeline: pipeline.name,
    file,
    objective: { metric: sweep.objective.path, goal: sweep.objective.goal, at: sweep.objective.at },
    curve: trials.some((trial) => trial.curve.length > 0)
      ? { metric: curve.path, goal: curve.goal, resource: resourceOf(pipeline, curve.step) }
      : null,
    search: sweep.search,
    prune:
      sweep.prune === null
        ? null
        : {
            method: sweep.prune.method,
            rungs: sweep.prune.rungs,
            keep: sweep.prune.method === "asha" ? sweep.prune.keep : null
          },
    params: paramsOf(sweep, state.trials),
    trials,
    best: ranked[0]?.id ?? null,
    test: test.best === undefined ? null : { steps: test.steps, metric: test.metric, best: test.best },
    base: test.base ?? null,
    cost: {
      wall_seconds: seconds,
      trial_seconds: trials.reduce((sum, trial) => sum + trial.seconds, 0),
      steps: state.steps,
      distinct_steps: state.distinct.size
    },
    decisions: state.decisions.map((decision) => decisionLine(state, decision)),
    warnings: [],
    ended: state.ended ?? "not all has run"
  }
  return { ...result, warnings: warningsOf(state, result) }
}

const resourceOf = (pipeline: Pipeline, step: string): string =>
  pipeline.steps.find(({ name }) => name === step)?.definition.resource?.name ?? ""

const stateOf = ({ state }: Trial): SweepTrial["state"] =>
  state === "going" || state === "missing" ? "unfinished" : state

const trialJson = (trial: Trial, rank: number | null): SweepTrial => ({
  id: trial.id,
  number: trial.number + 1,
  params: trial.params,
  by: trial.by,
  state: stateOf(trial),
  objective: meanOf(trial),
  sd: sdOf(trial),
  rank,
  replicates: [
    { replicate: 0, objective: trial.objective },
    ...[...trial.replicates].map(([replicate, objective]) => ({ replicate, objective }))
  ],
  rungs: trial.reached.map(({ resource, value }) => {
    const decision = trial.decisions.find((one) => one.resource === resource)
    return {
      resource,
      value,
      threshold: decision?.threshold ?? null,
      decision: decision?.decision ?? "waits",
      why: decision?.why ?? ""
    }
  }),
  curve: trial.curve,
  spans: trial.work.map(({ replicate, seconds, slot, started_at, until }) => ({
    slot,
    started_at,
    seconds,
    until,
    replicate
  })),
  seconds: trial.work.reduce((sum, { seconds }) => sum + seconds, 0),
  error: trial.failure
})

/** The paths in which trials differ, in the order of the space, then of bundles and starts. */
const paramsOf = ({ space, start }: Sweep, trials: ReadonlyArray<Trial>): SweepJson["params"] => {
  const text = (trial: Trial, path: string) => JSON.stringify(trial.params[path])
  const differs = (path: string) => trials.some((trial) => text(trial, path) !== text(trials[0]!, path))
  const known = new Set(space.params.map(({ path }) => path))
  const listed = (kind: "bundle" | "start", maps: ReadonlyArray<TrialParams>) =>
    maps.flatMap((map) =>
      Object.keys(map).flatMap((path) =>
        known.has(path) ? [] : (known.add(path), [{ ...plainParam, path, kind, differs: differs(path) }])
      )
    )
  return [
    ...space.params.map((param) => searchedParam(param, differs(param.path))),
    ...listed("bundle", space.bundles),
    ...listed("start", start)
  ]
}

const plainParam = { values: null, low: null, high: null, expr: null, when: null } as const

const searchedParam = (
  { from, path, when }: Space["params"][number],
  differs: boolean
): SweepJson["params"][number] => {
  const common = { ...plainParam, path, when: when?.text ?? null, differs }
  if (isExpression(from)) return { ...common, kind: "expr", expr: from.text }
  if (from.kind === "choice") return { ...common, kind: "choice", values: from.values }
  return {
    ...common,
    kind: from.isLog ? "log" : from.step !== null && Number.isInteger(from.step) ? "int" : "range",
    low: from.low,
    high: from.high
  }
}

const short = (value: number): string => String(Number(value.toPrecision(4)))

/** "trial 7 at epoch 1: validation_loss 0.412, kept: among the best 2 of 6 (0.431 or better)" */
export const decisionLine = (
  { sweep }: Pick<SweepState, "sweep">,
  { decision, resource, threshold, trial, value, why }: Decision
): string => {
  const { metric, resource: of } = sweep.prune!
  const name = metric.path.slice(metric.step.length + 1)
  const bound = threshold === null ? "" : ` (${short(threshold)} or better)`
  return `trial ${trial + 1} at ${of.name} ${resource}: ${name} ${short(value)}, ${decision}: ${why}${bound}`
}

interface Test {
  readonly steps: ReadonlyArray<string>
  readonly metric: string | null
  readonly best: Record<string, number> | undefined
  readonly base:
    | { readonly step: string; readonly how: string | null; readonly test: Record<string, number> }
    | undefined
}

const scoresOf = (planned: PlannedPiece, step: PipelineStep): Record<string, number> => {
  const read = ({ output, read: of }: Measure) => {
    const record = planned.planned.steps
      .find(({ name }) => name === step.name)
      ?.stages.find(({ record: made }) => made?.outputs[output] !== undefined)?.record
    return record === undefined ? undefined : of(record.outputs[output]!.facts as Facts).kept
  }
  return Object.fromEntries(
    Object.entries(step.definition.measures).flatMap(([name, measure]) => {
      const value = read(measure)
      return value === undefined ? [] : [[name, value]]
    })
  )
}

/** What the winner and the base came to on held-out rows: evaluations behind which the swept step stands, and those without it. */
const testOf = ({ sweep, test }: SweepState, pipeline: Pipeline): Test => {
  const none: Test = { steps: [], metric: null, best: undefined, base: undefined }
  if (test === undefined) return none
  const told = pipeline.steps.filter((step) => tellsHeldOut(pipeline, step))
  const isTuned = ({ name }: PipelineStep) =>
    stepsBehind(pipeline, { step: name, output: "" }).some((step) => step.name === sweep.objective.step)
  const tuned = told.filter(isTuned)
  const base = told.find((step) => !isTuned(step))
  const best = tuned.length === 0 ? undefined : scoresOf(test, tuned[0]!)
  const { like } = sweep.objective.measure
  return {
    steps: [...tuned.slice(0, 1), ...(base === undefined ? [] : [base])].map(({ name }) => name),
    metric: best !== undefined && best[like] !== undefined ? like : null,
    best,
    base: base === undefined ? undefined : { step: base.name, how: howOf(test, base), test: scoresOf(test, base) }
  }
}

const howOf = ({ planned }: PlannedPiece, { name }: PipelineStep): string | null => {
  const stages = planned.steps.find((step) => step.name === name)?.stages ?? []
  const facts = stages.map(({ record }) => record?.outputs["metrics"]?.facts).find((found) => found !== undefined)
  return typeof facts?.["how"] === "string" ? facts["how"] : null
}

const warningsOf = (
  { sweep, testFailure, trials }: SweepState,
  { best, test, trials: told }: SweepJson
): ReadonlyArray<string> => {
  const complete = told.filter(({ state }) => state === "complete")
  const tried = complete.length + told.filter(({ state }) => state === "stopped").length
  const winner = told.find(({ id }) => id === best)
  const failed = trials.filter(({ state }) => state === "failed")
  const like = test?.metric ?? null
  const onTest = like === null ? "" : `; on the test rows its ${like} is ${short(test!.best[like]!)}`
  return [
    ...(winner === undefined || tried < 2
      ? []
      : [
          `${short(winner.objective!)} is the best of ${tried} on the rows that chose it, and so ${sweep.objective.goal === "maximize" ? "more" : "less"} than it would be on others${onTest}`
        ]),
    ...closeLine(sweep, complete),
    ...(testFailure === undefined
      ? []
      : [`the winner's own pipeline failed at ${testFailure.step}: ${testFailure.message}`]),
    ...(failed.length === 0 ? [] : [failedLine(failed, trials.length)])
  ]
}

/** How many failed, and what mends the failures that came most often. */
const failedLine = (failed: ReadonlyArray<Trial>, of: number): string => {
  const hints = Object.groupBy(failed, ({ failure }) => failure?.hint ?? "")
  const most = Object.entries(hints).toSorted(([, a], [, b]) => b!.length - a!.length)[0]![0]
  return `${failed.length} of ${of} trials failed${most === "" ? "" : `: ${most}`}`
}

/** The first two, where what lies between them is less than what seeds make of one. */
const closeLine = ({ objective }: Sweep, complete: ReadonlyArray<SweepTrial>): ReadonlyArray<string> => {
  const [first, second] = complete
  if (first === undefined || second === undefined || first.sd === null || second.objective === null) return []
  const gap = Math.abs(first.objective! - second.objective)
  if (gap > first.sd) return []
  const metric = objective.path.slice(objective.step.length + 1)
  return [
    `the first two differ by ${short(gap)} in ${metric}, less than seeds alone do (sd ${short(first.sd)}): take the cheaper`
  ]
}
