import type { RunEvent } from "@hone/core/Contract"
import { Clock, Deferred, Effect, Queue } from "effect"
import { budgetOf, type DeviceClock, deviceClock } from "./Budget.ts"
import type { Decision } from "./decide.ts"
import { failedBefore, lookAt, type Machine, type PieceEnd, type RanPiece, runPiece } from "./piece.ts"
import type { SweepState, Trial } from "./State.ts"
import { isWaiting } from "../schedule/memory.ts"
import type { TrialLog, Worked } from "./TrialLog.ts"
import type { Piece, PlannedPiece } from "./Trials.ts"

export interface WorkOptions {
  readonly machine: Machine
  readonly state: SweepState
  readonly log: TrialLog
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
  | { readonly what: "waits"; readonly trial: Trial; readonly line: string }
  | { readonly what: "decided"; readonly trial: Trial; readonly decision: Decision }
  | { readonly what: "test"; readonly trial: Trial }

/** A piece that was begun. */
export interface Job {
  readonly trial: Trial
  readonly piece: Piece
  readonly ended: Deferred.Deferred<PieceEnd>
}

/** The places in which pieces run, side by side. */
export const workshop = Effect.fnUntraced(function* ({ log, machine, mode, say, state }: WorkOptions) {
  const { sweep } = machine.trials
  const free = Array.from({ length: sweep.search.parallel }, (_, at) => at)
  const endings = yield* Queue.unbounded<Job>()
  const before = new Map<string, Array<Worked>>()
  for (const entry of log.entries) {
    if (entry.what !== "worked") continue
    const of = before.get(entry.trial) ?? []
    before.set(entry.trial, of)
    of.push(entry)
  }

  const clocks = new Set<DeviceClock>()
  const budget = budgetOf(sweep, state, clocks)
  if (mode === "run") yield* Effect.forkScoped(budget.watch)

  /** gc leaves what the trials of a sweep have made, or have found made. */
  const keep = (stages: ReadonlyArray<{ readonly key: string | null }>) => {
    if (mode === "run") log.use(stages.flatMap(({ key }) => key ?? []))
  }
  const keepPiece = ({ planned }: PlannedPiece) => keep(planned.steps.flatMap(({ stages }) => stages))

  const count = ({ planned }: PlannedPiece) => {
    state.steps += planned.steps.length
    for (const { stages } of planned.steps) state.distinct.add(stages.map(({ key }) => key).join(" "))
  }

  const run = Effect.fnUntraced(function* (job: Job, planned: PlannedPiece, slot: number, isDue: boolean) {
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
    const clock = deviceClock(planned)
    clocks.add(clock)
    const work = runPiece(machine, piece, planned, {
      show: (event) => {
        clock.see(event, Date.now())
        progress(trial, slot, event)
        if (event.event === "log" && isWaiting(event.line)) say({ what: "waits", trial, line: event.line })
      },
      ended: ({ stages }) => keep(stages)
    })
    const { end, key } = yield* isDue ? work : Effect.raceFirst(work, Effect.as(budget.used, stopped))
    const now = yield* Clock.currentTimeMillis
    const [seconds, deviceSeconds] = [(now - startedAt) / 1000, clock.seconds(now)]
    clocks.delete(clock)
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

  /** Why a piece that is not there does not run now; undefined where it does. */
  const refusal = Effect.fnUntraced(function* (isDue: boolean) {
    if (mode === "look") return notRun
    if (isDue) return undefined
    state.ended ??= yield* budget.ended
    return state.ended
  })

  /**
   * Begins a piece, or has its end at once: it is there, it failed before, or nothing more may run. A place must be free.
   * @param isDue it runs even if the budget is used up
   */
  const begin = Effect.fnUntraced(function* (trial: Trial, piece: Piece, { isDue = false } = {}) {
    const job: Job = { trial, piece, ended: yield* Deferred.make<PieceEnd>() }
    const looked = yield* lookAt(machine.trials, piece)
    if ("failure" in looked) {
      yield* endAt(job, { state: "failed", failure: looked.failure })
      return job
    }
    const planned = looked.planned.isDone ? looked.planned : ((yield* longer(trial, piece)) ?? looked.planned)
    keepPiece(planned)
    const failed = planned.isDone ? undefined : failedBefore(trial.work, piece, planned)
    if (planned.isDone) {
      count(planned)
      yield* endAt(job, { state: "done", planned })
    } else if (failed !== undefined) yield* endAt(job, { state: "failed", failure: failed })
    else if ((yield* refusal(isDue)) !== undefined) yield* endAt(job, { state: "missing" })
    else {
      const work = run(job, planned, free.shift()!, isDue)
      // Without this a mistake of ours would be waited for, for ever.
      yield* Effect.forkScoped(
        Effect.onError(work, (cause) => Effect.andThen(Deferred.failCause(job.ended, cause), Queue.offer(endings, job)))
      )
    }
    return job
  })
  return {
    begin,
    endings,
    keepPiece,
    isFree: () => free.length > 0,
    workOf: (trial: string) => [...(before.get(trial) ?? [])]
  }
})

export type Workshop = Effect.Success<ReturnType<typeof workshop>>

/** A piece that ran when the budget was used up: a training is at its last checkpoint. */
const stopped: RanPiece = { end: { state: "missing" }, key: null }

/** Why a sweep that is looked at has no end. */
export const notRun = "not all has run"

const progress = (trial: Trial, slot: number, event: RunEvent): void => {
  const doing = trial.doing.get(slot)
  if (doing === undefined) return
  if (event.event === "stage" && event.state === "started")
    Object.assign(doing, { step: event.step, done: 0, total: null })
  if (event.event === "log" && isWaiting(event.line))
    Object.assign(doing, { step: `${event.step} waits for memory`, done: 0, total: null })
  if (event.event !== "progress") return
  Object.assign(doing, {
    step: event.step,
    done: event.done,
    total: event.total,
    values: { ...doing.values, ...event.values }
  })
}
