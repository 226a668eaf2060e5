import type { RunEvent } from "@hone/core/Contract"
import { fingerprint } from "@hone/core/Canonical"
import type { Json } from "@hone/core/Json"
import { trialId, type TrialParams } from "@hone/core/sweep/Sweep"
import { Clock, Deferred, Effect, Queue } from "effect"
import { type Decision, nextMove } from "./decide.ts"
import { failedBefore, lookAt, type Machine, type PieceEnd, runPiece } from "./piece.ts"
import { type Proposal, samplerOf } from "./search/Sampler.ts"
import { rankedTrials, seenBy, type SweepState, type Trial } from "./State.ts"
import type { TrialLog, Worked } from "./TrialLog.ts"
import { ladderOf, measuredBy, type Piece, type PlannedPiece } from "./Trials.ts"

export interface SearchOptions {
  readonly machine: Machine
  readonly state: SweepState
  readonly log: TrialLog
  /** The block as written: what decides which trials are asked for is taken from it. */
  readonly block: Json
  /** `look`: nothing runs, what is there is told. */
  readonly mode: "run" | "look"
  /** Told of everything that a log would have a line for. */
  readonly say: (what: Told) => void
}

export type Told =
  | { readonly what: "started"; readonly trial: Trial; readonly piece: Piece }
  | {
      readonly what: "ended"
      readonly trial: Trial
      readonly piece: Piece
      readonly end: PieceEnd
      readonly seconds: number
    }
  | { readonly what: "decided"; readonly trial: Trial; readonly decision: Decision }
  | { readonly what: "test"; readonly trial: Trial }

interface Job {
  readonly trial: Trial
  readonly piece: Piece
  readonly ended: Deferred.Deferred<PieceEnd>
}

/** What a search is known by in the log: everything that decides which trials it asks for. */
const searchId = (block: Json, isOrdered: boolean): string => {
  const { bundles, constraints, objective, prune, search, space, start } = block as Readonly<Record<string, any>>
  const { max_trials: _, parallel, ...how } = (search ?? {}) as Readonly<Record<string, Json>>
  const chosen = { bundles, constraints, how, space, start, ...(isOrdered ? { objective, parallel, prune } : {}) }
  return fingerprint("hone-search/1", JSON.parse(JSON.stringify(chosen)) as Json).slice(0, 16)
}

/** Runs or looks at a whole sweep: the search, replicates of what it found, and the winner's own pipeline to its end. */
export const search = Effect.fn("sweep")(function* (options: SearchOptions) {
  const work = yield* workshop(options)
  yield* trialsOf(options, work)
  const { machine, state } = options
  const isOver = state.ended
  markComplete(
    state,
    yield* Effect.filter(
      state.trials.filter(({ state: of }) => of === "stopped"),
      (trial) => isThere(machine, trial)
    )
  )
  state.phase = "replicates"
  yield* replicatesOf(options, work)
  state.phase = "test"
  yield* testOf(options, work)
  state.ended ??= isOver ?? "all trials"
})

type Workshop = Effect.Success<ReturnType<typeof workshop>>

/** The places in which pieces run, side by side. */
const workshop = Effect.fnUntraced(function* ({ log, machine, mode, say, state }: SearchOptions) {
  const { budget, search: how } = machine.trials.sweep
  const free = Array.from({ length: how.parallel }, (_, at) => at)
  const endings = yield* Queue.unbounded<Job>()
  const worked = new Map<string, Array<Worked>>()
  const idOf = (trial: string, { replicate, until }: Pick<Piece, "until" | "replicate">) =>
    `${trial}/${until}/${replicate}`
  for (const entry of log.entries) {
    if (entry.what !== "worked") continue
    const id = idOf(entry.trial, entry)
    worked.set(id, [...(worked.get(id) ?? []), entry])
  }

  const budgetEnded = Effect.map(Clock.currentTimeMillis, (now) => {
    if (mode === "look") return "not all has run"
    if (budget.wall_seconds !== null && (now - state.startedAt) / 1000 >= budget.wall_seconds)
      return "the budget's wall_time is used up"
    if (budget.device_seconds !== null && state.deviceSeconds >= budget.device_seconds)
      return "the budget's device_time is used up"
    return undefined
  })

  const count = ({ planned }: PlannedPiece) => {
    state.steps += planned.steps.length
    for (const { stages } of planned.steps) state.distinct.add(stages.map(({ key }) => key).join(" "))
  }

  const run = Effect.fnUntraced(function* (job: Job, planned: PlannedPiece, slot: number) {
    const { piece, trial } = job
    const startedAt = yield* Clock.currentTimeMillis
    trial.doing.set(slot, {
      slot,
      until: piece.until,
      replicate: piece.replicate,
      step: "",
      done: 0,
      total: null,
      values: {}
    })
    say({ what: "started", trial, piece })
    const { deviceSeconds, end, key, seconds } = yield* runPiece(machine, piece, planned, (event) =>
      progress(trial, slot, event)
    )
    state.deviceSeconds += deviceSeconds
    const entry: Worked = {
      what: "worked",
      trial: trial.id,
      until: piece.until,
      replicate: piece.replicate,
      slot,
      started_at: new Date(startedAt).toISOString(),
      seconds,
      device_seconds: deviceSeconds,
      failure: end.state === "failed" ? { ...end.failure, key } : null
    }
    log.append(entry)
    trial.work.push(entry)
    trial.doing.delete(slot)
    free.push(slot)
    free.sort((a, b) => a - b)
    if (end.state === "done") count(end.planned)
    say({ what: "ended", trial, piece, end, seconds })
    yield* Deferred.succeed(job.ended, end)
    yield* Queue.offer(endings, job)
  })

  const endAt = Effect.fnUntraced(function* (job: Job, end: PieceEnd) {
    yield* Deferred.succeed(job.ended, end)
    yield* Queue.offer(endings, job)
  })

  /** A piece of the same trial that went further, and so has come by the rung of this one. */
  const longer = Effect.fnUntraced(function* (trial: Trial, piece: Piece) {
    if (piece.until === null) return undefined
    const ends = trial.work.flatMap(({ until }) => (until !== null && until > piece.until! ? [until] : []))
    for (const until of [null, ...new Set([...trial.ladder.filter((rung) => rung > piece.until!), ...ends])]) {
      const looked = yield* lookAt(machine.trials, { ...piece, until })
      if ("planned" in looked && looked.planned.isDone) return looked.planned
    }
    return undefined
  })

  /** Begins a piece, or has its end at once: it is there, it failed before, or nothing more may run. A place must be free. */
  const begin = Effect.fnUntraced(function* (trial: Trial, piece: Piece) {
    const job: Job = { trial, piece, ended: yield* Deferred.make<PieceEnd>() }
    const looked = yield* lookAt(machine.trials, piece)
    if ("failure" in looked) {
      yield* endAt(job, { state: "failed", failure: looked.failure })
      return job
    }
    const planned = looked.planned.isDone ? looked.planned : ((yield* longer(trial, piece)) ?? looked.planned)
    const before = planned.isDone ? undefined : failedBefore(worked.get(idOf(trial.id, piece)) ?? [], planned)
    if (planned.isDone) {
      count(planned)
      yield* endAt(job, { state: "done", planned })
    } else if (before !== undefined) yield* endAt(job, { state: "failed", failure: before })
    else {
      const over = state.ended ?? (yield* budgetEnded)
      if (over !== undefined) {
        state.ended = over
        yield* endAt(job, { state: "missing" })
      } else yield* Effect.forkScoped(run(job, planned, free.shift()!))
    }
    return job
  })
  return { begin, endings, isFree: () => free.length > 0, priorWork: worked }
})

const progress = (trial: Trial, slot: number, event: RunEvent): void => {
  const doing = trial.doing.get(slot)
  if (doing === undefined) return
  if (event.event === "stage" && event.state === "started")
    Object.assign(doing, { step: event.step, done: 0, total: null })
  if (event.event !== "progress") return
  Object.assign(doing, {
    step: event.step,
    done: event.done,
    total: event.total,
    values: { ...doing.values, ...event.values }
  })
}

const makeTrial = (options: SearchOptions, work: Workshop, { by, params }: Proposal): Trial => {
  const { machine, state } = options
  const id = trialId(params)
  const before = [...work.priorWork.values()].flat().filter(({ trial }) => trial === id)
  const trial: Trial = {
    number: state.trials.length,
    id,
    params,
    by,
    ladder: ladderOf(machine.trials, params),
    reached: [],
    decisions: [],
    passed: 0,
    state: "going",
    objective: null,
    curve: [],
    replicates: new Map(),
    failure: null,
    work: before,
    doing: new Map()
  }
  state.trials.push(trial)
  return trial
}

/** The piece that brings a trial to its next rung, or to its end. */
const nextPiece = ({ ladder, params, passed }: Trial): Piece => ({
  params,
  until: ladder[passed] ?? null,
  replicate: 0
})

/** Asks for trials and decides about them until there is nothing left to do. */
const trialsOf = Effect.fnUntraced(function* (options: SearchOptions, work: Workshop) {
  const { log, machine, say, state } = options
  const { sweep } = machine.trials
  const { max_trials, parallel } = sweep.search
  const sampler = samplerOf(sweep)
  // Where results decide, each choice is made on the results of all pieces but the last few that run beside it: the same whenever
  // these end, so that a search that was interrupted goes on as if it had not been.
  const isOrdered = sampler.isAdaptive || sweep.prune !== null
  const id = searchId(options.block, isOrdered)
  const asked = new Map(
    log.entries.flatMap((entry) => (entry.what === "asked" && entry.search === id ? [[entry.n, entry]] : []))
  )
  const known = new Set<string>()
  const jobs: Array<Job> = []
  let [absorbed, isExhausted] = [0, false]

  const propose = (): Proposal | undefined => {
    const n = state.trials.length
    const before = asked.get(n)
    const proposal =
      before === undefined
        ? sampler.next(n, known, seenBy(state))
        : { params: before.params as TrialParams, by: before.by }
    if (proposal !== undefined && before === undefined && options.mode === "run")
      log.append({ what: "asked", search: id, n, params: proposal.params, by: proposal.by })
    return proposal
  }
  const takeOne = Effect.fnUntraced(function* () {
    const job = isOrdered ? jobs[absorbed]! : yield* Queue.take(work.endings)
    absorb(state, job.trial, job.piece, yield* Deferred.await(job.ended))
    absorbed += 1
  })

  for (;;) {
    while (jobs.length - absorbed >= parallel) yield* takeOne()
    stopOnFailures(state)
    if (state.ended !== undefined) {
      if (absorbed === jobs.length) return
      yield* takeOne()
      continue
    }
    const canAsk = !isExhausted && (max_trials === null || state.trials.length < max_trials)
    const move = nextMove(sweep.prune, {
      // Only pruning looks at them.
      runners: sweep.prune === null ? [] : state.trials.map(runnerOf),
      canAsk,
      isPending: absorbed < jobs.length
    })
    if (move === undefined) return
    if (move.do === "wait") yield* takeOne()
    else if (move.do === "ask") {
      const proposal = propose()
      isExhausted = proposal === undefined
      if (proposal === undefined) continue
      known.add(trialId(proposal.params))
      const trial = makeTrial(options, work, proposal)
      jobs.push(yield* work.begin(trial, nextPiece(trial)))
    } else {
      const trial = state.trials[move.decision.trial]!
      trial.decisions.push(move.decision)
      state.decisions.push(move.decision)
      say({ what: "decided", trial, decision: move.decision })
      if (move.decision.decision === "stopped") trial.state = "stopped"
      else {
        trial.passed += 1
        jobs.push(yield* work.begin(trial, nextPiece(trial)))
      }
    }
  }
})

const runnerOf = ({ ladder, number, passed, reached, state }: Trial) => ({
  trial: number,
  ladder,
  passed,
  reached,
  state: state === "missing" ? ("failed" as const) : state
})

const stopOnFailures = (state: SweepState): void => {
  const { stop_after, trial } = state.sweep.failure
  const failed = state.trials.filter(({ state: of }) => of === "failed").length
  const most = trial === "stop" ? 1 : (stop_after ?? Infinity)
  if (failed >= most) state.ended ??= `${failed} trial${failed === 1 ? "" : "s"} failed`
}

const noValue = (metric: string): PieceEnd & { readonly state: "failed" } => ({
  state: "failed",
  failure: { step: "", code: "no_value", message: `it gave no ${metric}`, hint: "look at its step with `hone show`" }
})

/** Takes the end of a piece into its trial. */
const absorb = (state: SweepState, trial: Trial, { until }: Piece, end: PieceEnd): void => {
  const { objective, prune } = state.sweep
  if (end.state === "missing") trial.state = "missing"
  else if (end.state === "failed") Object.assign(trial, { state: "failed", failure: end.failure })
  else if (until !== null) {
    // What went further than this rung shows more than is known of it here.
    const series = (measuredBy(end.planned, prune!.metric)?.series ?? []).filter(({ at }) => at <= until + 1e-9)
    trial.curve = series
    const last = series.at(-1)
    if (last === undefined)
      absorb(state, trial, { params: trial.params, until: null, replicate: 0 }, noValue(prune!.metric.path))
    else trial.reached.push({ resource: until, value: last.value })
  } else {
    const value = objectiveOf(state, end.planned)
    if (value === undefined) Object.assign(trial, noValue(objective.path))
    else
      Object.assign(trial, {
        state: "complete",
        objective: value,
        curve: measuredBy(end.planned, prune?.metric ?? objective)?.series ?? []
      })
  }
}

const objectiveOf = ({ sweep }: SweepState, planned: PlannedPiece): number | undefined => {
  const measured = measuredBy(planned, sweep.objective)
  return sweep.objective.at === "last" ? (measured?.series.at(-1)?.value ?? measured?.kept) : measured?.kept
}

/** Whether a stopped trial was once run to its end: then what is known of it counts. */
const isThere = Effect.fnUntraced(function* (machine: Machine, trial: Trial) {
  const looked = yield* lookAt(machine.trials, { params: trial.params, until: null, replicate: 0 })
  if (!("planned" in looked) || !looked.planned.isDone) return false
  const state = { sweep: machine.trials.sweep } as SweepState
  trial.objective = objectiveOf(state, looked.planned) ?? null
  return trial.objective !== null
})

const markComplete = (_: SweepState, trials: ReadonlyArray<Trial>): void => {
  for (const trial of trials) trial.state = "complete"
}

/** Further seeds of the trials that are worth it, once it is known which. */
const replicatesOf = Effect.fnUntraced(function* ({ state }: SearchOptions, work: Workshop) {
  const { seeds, top } = state.sweep.replicates
  const chosen = rankedTrials(state).slice(0, top ?? Infinity)
  const running: Array<Job> = []
  const finish = Effect.fnUntraced(function* ({ ended, piece, trial }: Job) {
    const end = yield* Deferred.await(ended)
    trial.replicates.set(piece.replicate, end.state === "done" ? (objectiveOf(state, end.planned) ?? null) : null)
  })
  for (let replicate = 1; replicate < seeds; replicate++) {
    for (const trial of chosen) {
      while (!work.isFree()) yield* finish(running.shift()!)
      running.push(yield* work.begin(trial, { params: trial.params, until: null, replicate }))
    }
  }
  for (const job of running) yield* finish(job)
})

/** The winner's whole pipeline: what touches test rows runs here, and only here. */
const testOf = Effect.fnUntraced(function* ({ say, state }: SearchOptions, work: Workshop) {
  const winner = rankedTrials(state)[0]
  if (winner === undefined) return
  // A search that ended by its budget is ended: its winner is measured all the same.
  const ended = state.ended
  if (ended?.startsWith("the budget") === true) state.ended = undefined
  say({ what: "test", trial: winner })
  const job = yield* work.begin(winner, { params: winner.params, until: null, replicate: 0, whole: true })
  const end = yield* Deferred.await(job.ended)
  if (end.state === "done") state.test = end.planned
  if (ended !== undefined) state.ended = ended
})
