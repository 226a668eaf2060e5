import { fingerprint } from "@hone/core/Canonical"
import type { Json } from "@hone/core/Json"
import { isExpression, type Sweep, trialId, type TrialParams } from "@hone/core/sweep/Sweep"
import { Deferred, Effect, Queue } from "effect"
import { absorb, objectiveOf } from "./absorb.ts"
import { nextMove } from "./decide.ts"
import { lookAt } from "./piece.ts"
import { type Proposal, samplerOf } from "./search/Sampler.ts"
import { rankedTrials, seenBy, type SweepState, type Trial } from "./State.ts"
import { ladderOf, type Piece } from "./Trials.ts"
import { type Job, notRun, type WorkOptions, type Workshop, workshop } from "./Workshop.ts"

export interface SearchOptions extends WorkOptions {
  /** The block as written: what decides which trials are asked for is taken from it. */
  readonly block: Json
}

/** What the expressions of a sweep read of the pipeline: under other values the same draws are other trials. */
const readsOf = ({ space }: Sweep): Json => {
  const expressions = [
    ...space.params.flatMap(({ from, when }) => [
      ...(isExpression(from) ? [from] : []),
      ...(when === undefined ? [] : [when])
    ]),
    ...space.constraints
  ]
  const names = [...new Set(expressions.flatMap((expression) => expression.names))].sort()
  return names.map((name) => [name, space.base(name) ?? null, space.base(space.alias(name)) ?? null])
}

/** What a search is known by in the log: everything that decides which trials it asks for; where results do, the whole pipeline. */
const searchId = ({ block, machine }: SearchOptions, isOrdered: boolean): string => {
  const { reader, sweep, memo } = machine.trials
  const { bundles, constraints, objective, prune, search, space, start } = block as Readonly<Record<string, any>>
  const { max_trials: _, parallel, ...how } = (search ?? {}) as Readonly<Record<string, Json>>
  const digests = [...memo.sources.values()].map(({ digest }) => digest).sort()
  const byResults = isOrdered ? { objective, parallel, prune, pipeline: reader.value, digests } : {}
  const chosen = { bundles, constraints, how, space, start, reads: readsOf(sweep), ...byResults }
  return fingerprint("hone-search/1", JSON.parse(JSON.stringify(chosen)) as Json).slice(0, 16)
}

/** Runs or looks at a whole sweep: the search, replicates of what it found, and the winner's own pipeline to its end. */
export const search = Effect.fn("sweep")(function* (options: SearchOptions) {
  const work = yield* workshop(options)
  const { state } = options
  yield* trialsOf(options, work)
  yield* recallStopped(options, work)
  state.phase = "replicates"
  yield* replicatesOf(options, work)
  state.phase = "test"
  yield* testOf(options, work)
  state.ended ??= state.trials.some((trial) => trial.state === "missing") ? notRun : "all trials"
})

const makeTrial = (options: SearchOptions, work: Workshop, { by, params }: Proposal): Trial => {
  const { machine, state } = options
  const id = trialId(params)
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
    work: work.workOf(id),
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
  const id = searchId(options, isOrdered)
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
    absorb(sweep, job.trial, job.piece, yield* Deferred.await(job.ended))
    absorbed += 1
  })

  for (;;) {
    while (jobs.length - absorbed >= parallel) yield* takeOne()
    stopOnFailures(state)
    // What hangs on results that are not there is not known.
    if (isOrdered && options.mode === "look" && state.trials.some((trial) => trial.state === "missing"))
      state.ended ??= notRun
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

/** A stopped trial that was once run to its end: what is known of it counts. */
const recallStopped = Effect.fnUntraced(function* ({ machine, state }: SearchOptions, work: Workshop) {
  for (const trial of state.trials.filter((one) => one.state === "stopped")) {
    const looked = yield* lookAt(machine.trials, { params: trial.params, until: null, replicate: 0 })
    if (!("planned" in looked) || !looked.planned.isDone) continue
    work.keepPiece(looked.planned)
    absorb(
      state.sweep,
      trial,
      { params: trial.params, until: null, replicate: 0 },
      { state: "done", planned: looked.planned }
    )
  }
})

/** Further seeds of the trials that are worth it, once it is known which. */
const replicatesOf = Effect.fnUntraced(function* ({ state }: SearchOptions, work: Workshop) {
  const { seeds, top } = state.sweep.replicates
  const chosen = rankedTrials(state).slice(0, top ?? Infinity)
  const running: Array<Job> = []
  const finish = Effect.fnUntraced(function* ({ ended, piece, trial }: Job) {
    const end = yield* Deferred.await(ended)
    trial.replicates.set(piece.replicate, end.state === "done" ? (objectiveOf(state.sweep, end.planned) ?? null) : null)
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
  say({ what: "test", trial: winner })
  // Also where the budget is used up: that ended the search, whose winner is measured all the same.
  const piece: Piece = { params: winner.params, until: null, replicate: 0, whole: true }
  const job = yield* work.begin(winner, piece, { isDue: true })
  const end = yield* Deferred.await(job.ended)
  if (end.state === "done") state.test = end.planned
  else if (end.state === "failed") state.testFailure = end.failure
  else state.ended ??= notRun
})
