import { basename, join } from "node:path"
import { keyOf, seedOf, trajectoryOf } from "@hone/core/plan/Key"
import type { Prepared } from "@hone/core/plan/Plan"
import { reasonToRun } from "@hone/core/plan/Plan"
import { boundInputs } from "@hone/core/plan/StageInputs"
import { factsGiven, keyedParams, keyStage, workOf } from "@hone/core/plan/StageKey"
import type { Pipeline, PipelineStep } from "@hone/core/Pipeline"
import type { ActionRecord, Preimage } from "@hone/core/record/ActionRecord"
import type { LastKeys } from "@hone/core/Services"
import { ActionRecords, Engine, Implementations } from "@hone/core/Services"
import type { EngineChoice, OutputArtifact } from "@hone/core/Stage"
import type { Facts, Stage } from "@hone/core/Step"
import { Clock, Deferred, Effect, Option, Semaphore } from "effect"
import { openAttempt } from "../store/Attempts.ts"
import { commit, keepUncached } from "../store/Commit.ts"
import { remove } from "../store/Files.ts"
import type { StoreFolder } from "../store/Folder.ts"
import { blobPath, makeFolder } from "../store/Folder.ts"
import { withLease } from "../store/Lease.ts"
import { noteInUse } from "../store/Live.ts"
import { damageOf } from "../store/Records.ts"
import type { StageRequest } from "../worker/Messages.ts"
import { StageFailed, Workers } from "../worker/Workers.ts"
import { tellDrift } from "./Drift.ts"
import type { RunListener } from "./Events.ts"
import { predictedMemory, waitsForMemory, withMemory } from "./memory.ts"
import type { Room } from "./Room.ts"
import { discard, storing } from "./Storing.ts"

/** How a stage came to its end. */
export type StageEnd =
  | {
      readonly state: "made"
      readonly outcome: "hit" | "ran" | "cut_off"
      readonly key: string
      readonly reason: string
      readonly seconds: number
      readonly record: ActionRecord
    }
  | { readonly state: "absent"; readonly reason: string }
  | {
      readonly state: "failed"
      readonly key: string
      readonly reason: string
      readonly seconds: number
      readonly failure: StageFailed
    }
  | { readonly state: "skipped"; readonly reason: string }

/** What runs side by side in one process share: the machine, and results that are being made. */
export interface Shared {
  readonly permits: Semaphore.Semaphore
  /** Permits that a stage takes which asks for all. */
  readonly wide: number
  /** The memory that they share; undefined where one stage at a time takes any that counts. */
  readonly room: Room | undefined
  /** Results being made, by key: the second to ask waits for the first. */
  readonly inFlight: Map<string, Deferred.Deferred<StageEnd>>
}

export interface Schedule extends Shared {
  readonly prepared: Prepared
  readonly last: LastKeys
  readonly folder: StoreFolder
  readonly cores: number
  readonly listener: RunListener
  /** What the plan said of `step/stage`, to tell a hit from a cut-off. */
  readonly planned: ReadonlyMap<string, string>
  /** Blobs that were found damaged: another pass is needed. */
  readonly damaged: Set<string>
  /** Paths of damaged files that the user has been told of. */
  readonly told: Set<string>
  /** The folder for profiles of the stages that compute with tensors; left out, none are made. */
  readonly profiles: string | undefined
}

type Inputs = Readonly<Record<string, OutputArtifact | undefined>>

const now = Effect.map(Clock.currentTimeMillis, Number)

/** What a worker is asked for: the stage, its params, and its inputs as paths and digests. */
export const requestFor = (
  schedule: Pick<Schedule, "folder" | "prepared">,
  step: PipelineStep,
  stage: Stage<any>,
  preimage: Preimage,
  inputs: Inputs,
  attempt: string
): Omit<StageRequest, "engine"> => {
  const { folder, prepared } = schedule
  const given = boundInputs(step, stage).flatMap(({ input, name }) => {
    const artifact = inputs[name]
    if (artifact === undefined) return []
    const { blob, content } = artifact
    const facts = artifact.facts as Facts
    const view = input.view?.(step.params, facts)
    const told = { facts: factsGiven(input, facts), ...(view === undefined ? {} : { view }) }
    return [[name, { path: blobPath(folder, blob), blob, content, ...told }] as const]
  })
  const sources = Object.entries(prepared.sources[step.name] ?? {}).map(([name, source]) => {
    const request = step.sources[name]!
    return [
      name,
      { path: source.path, format: source.head.format ?? request.format, digest: source.digest, spec: request.spec }
    ] as const
  })
  const trajectory = stage.trajectory?.(step.params)
  return {
    kind: step.definition.kind,
    stage: stage.name,
    params: step.params,
    inputs: Object.fromEntries(given),
    sources: Object.fromEntries(sources),
    folder: attempt,
    seed: stage.random ? seedOf(prepared.pipeline.seed, stage.identity, step.params.seed) : 0,
    checkpoints:
      trajectory === undefined
        ? null
        : makeFolder(join(folder.trajectories, trajectoryOf(preimage, keyedParams(step, trajectory)))),
    cas: folder.cas
  }
}

const keyedBy = Effect.fnUntraced(function* (
  pipeline: Pipeline,
  schedule: Schedule,
  step: PipelineStep,
  stage: Stage<any>,
  inputs: Inputs
) {
  const engine = yield* Engine
  const implementations = yield* Implementations
  return keyStage({
    pipeline,
    step,
    stage,
    inputs,
    sources: schedule.prepared.sources[step.name] ?? {},
    engine,
    implementation: implementations.digest,
    seed: seedOf(pipeline.seed, stage.identity, step.params.seed)
  })
})

/** How the files of a stage's profile begin. A step of a matrix over paths has slashes in its name. */
export const profileName = (folder: string, step: string, stage: string): string =>
  join(folder, `${step}.${stage}`.replaceAll("/", "_"))

/** The engine with its operations timed. TensorFlow tells that through its C API alone: the same library and the same numbers. */
const profiling = (engine: EngineChoice, folder: string, step: string, stage: string): EngineChoice => ({
  ...engine,
  engine: engine.engine === "session" ? "capi" : engine.engine,
  profile: profileName(folder, step, stage)
})

/** What a library or the system says may repeat what the pipeline keeps secret. */
const cleaner =
  ({ prepared }: Pick<Schedule, "prepared">) =>
  <A>(said: A): A =>
    prepared.pipeline.conceal(said)

/** A failure as it may be told. */
export const cleaned = (
  schedule: Pick<Schedule, "prepared">,
  { blob, code, hint, message, param, peak_rss_bytes, row_ids, stack }: StageFailed
): StageFailed => {
  const mend = param === undefined ? {} : { param }
  return new StageFailed(cleaner(schedule)({ blob, code, hint, message, ...mend, peak_rss_bytes, row_ids, stack }))
}

/** One attempt: a private folder, the worker's work in it, and the commit of what it made. */
const attemptStage = Effect.fnUntraced(function* (
  schedule: Schedule,
  step: PipelineStep,
  stage: Stage<any>,
  preimage: Preimage,
  key: string,
  inputs: Inputs
) {
  const workers = yield* Workers
  const engine = yield* Engine
  const { folder, listener } = schedule
  const clean = cleaner(schedule)
  const at = { step: step.name, stage: stage.name }
  return yield* Effect.acquireUseRelease(
    storing(() => openAttempt(folder)),
    Effect.fnUntraced(function* (attempt) {
      const asked = yield* storing(() => requestFor(schedule, step, stage, preimage, inputs, attempt))
      const request: StageRequest = {
        ...asked,
        engine: schedule.profiles === undefined ? engine : profiling(engine, schedule.profiles, step.name, stage.name)
      }
      const started = yield* now
      const spoken = workers.run(request, {
        progress: ({ done, total, unit, values }) =>
          listener.emit({ event: "progress", ...at, done, total: total ?? null, unit, values: values ?? {} }),
        log: (line) => listener.emit({ event: "log", ...at, line: clean(line) })
      })
      const done = yield* Effect.mapError(spoken, (failure) => cleaned(schedule, failure))
      const finished = yield* now
      const warnings = clean(done.warnings)
      const work = workOf(step, stage, inputs)
      const record: ActionRecord = {
        version: 1,
        key,
        preimage,
        outputs: done.outputs,
        counts: clean(done.counts),
        warnings,
        seconds: (finished - started) / 1000,
        ...(work === undefined ? {} : { work }),
        ...(done.peak_rss_bytes === null ? {} : { peak_rss_bytes: done.peak_rss_bytes }),
        finished_at: new Date(finished).toISOString(),
        host: {
          node: process.version,
          platform: `${process.platform}-${process.arch}`,
          cores: schedule.cores,
          engine: engine.engine
        },
        ...(request.checkpoints === null ? {} : { trajectory: basename(request.checkpoints) }),
        log: listener.tailOf(at)
      }
      for (const message of warnings) listener.emit({ event: "warning", step: step.name, message })
      if (done.uncached !== null) {
        const message = `${clean(done.uncached)}: this result belongs to this run alone and is not cached`
        listener.emit({ event: "warning", step: step.name, message })
        noteInUse(
          folder,
          Object.values(record.outputs).map(({ blob }) => blob)
        )
        return yield* storing(() => keepUncached(folder, attempt, record))
      }
      const committed = yield* storing(() => commit(folder, attempt, record))
      if (committed.how === "drifted") {
        const pathOf = ({ blob }: OutputArtifact) => blobPath(folder, blob)
        const message = yield* Effect.promise(() => tellDrift(committed.record, record, pathOf))
        listener.emit({ event: "warning", step: step.name, message })
      }
      return committed.record
    }),
    (attempt) => Effect.sync(() => remove(attempt))
  )
})

/**
 * A failure; one by a damaged blob sets that aside and asks for another pass, in which what made it runs again. Where it cannot be set
 * aside, another pass would meet it again: that is the failure then.
 */
const failed = Effect.fnUntraced(function* (
  schedule: Schedule,
  step: PipelineStep,
  end: Extract<StageEnd, { state: "failed" }>
) {
  const { blob } = end.failure
  if (blob === null) return end
  const discarded = yield* Effect.result(discard(schedule, step.name, [blobPath(schedule.folder, blob)]))
  if (discarded._tag === "Failure") return { ...end, failure: discarded.failure }
  schedule.damaged.add(blob)
  return end
})

/**
 * Brings a stage to its end: keys it, takes the result that is there, or makes its intermediates and then itself. `derive` makes an
 * intermediate of the same step, once, when it turns out to be needed.
 */
export const runStage = Effect.fn("stage")(function* (
  schedule: Schedule,
  step: PipelineStep,
  stage: Stage<any>,
  inputs: Inputs,
  derive: (input: string) => Effect.Effect<StageEnd, never, ActionRecords | Engine | Implementations | Workers>
) {
  const records = yield* ActionRecords
  const { listener, prepared } = schedule
  const at = { step: step.name, stage: stage.name }
  const keyed = yield* keyedBy(prepared.pipeline, schedule, step, stage, inputs)
  if (keyed.applies?.run === false)
    return { state: "absent", reason: keyed.applies.reason } satisfies StageEnd as StageEnd
  const key = keyOf(keyed.preimage)
  const planned = schedule.planned.get(`${step.name}/${stage.name}`)

  const hit = (record: ActionRecord, shared: boolean): StageEnd => {
    const outcome = planned === "hit" || planned === undefined || shared ? "hit" : "cut_off"
    const reason = outcome === "cut_off" ? "its inputs came out as before" : shared ? "made once for several steps" : ""
    return { state: "made", outcome, key, reason, seconds: 0, record }
  }
  const other = schedule.inFlight.get(key)
  if (other !== undefined) {
    const end = yield* Deferred.await(other)
    return end.state === "made" ? hit(end.record, true) : end
  }
  const found = yield* records.lookup(key)
  if (Option.isSome(found)) return hit(found.value, false)
  const damaged = damageOf(schedule.folder, key)
  // What cannot be set aside is written over when the result is there again, or stays no hit.
  if (damaged.length > 0) yield* Effect.ignore(discard(schedule, step.name, damaged))

  const deferred = yield* Deferred.make<StageEnd>()
  schedule.inFlight.set(key, deferred)
  const lastKey = schedule.last[step.name]?.[stage.name]
  const before = lastKey === undefined ? Option.none<ActionRecord>() : yield* records.recall(lastKey)
  const why = reasonToRun(keyed.preimage, key, Option.getOrUndefined(before)).reason
  const reason = keyed.applies?.reason ? `${why}; ${keyed.applies.reason}` : why

  const make = Effect.gen(function* () {
    const all: Record<string, OutputArtifact | undefined> = { ...inputs }
    for (const [name, input] of Object.entries(stage.inputs)) {
      if (input.derived !== true || !("stage" in input.from)) continue
      const end = yield* derive(name)
      if (end.state === "failed") return end
      if (end.state === "skipped") return end
      if (end.state === "made") all[name] = end.record.outputs[input.from.output]
    }
    const wanted = stage.resources(step.params).cpu
    const permits = wanted === "all" ? schedule.wide : Math.min(wanted, schedule.cores)
    const { room } = schedule
    const foretell = predictedMemory({ step, stage, types: prepared.types, inputs, preimage: keyed.preimage })
    const attempt = schedule.permits.withPermits(permits)(
      Effect.gen(function* () {
        listener.emit({ event: "stage", ...at, state: "started", reason })
        const started = yield* now
        const result = yield* Effect.result(attemptStage(schedule, step, stage, keyed.preimage, key, all))
        const seconds = ((yield* now) - started) / 1000
        listener.emit({ event: "stage", ...at, state: "ended", reason: "" })
        return result._tag === "Success"
          ? ({ state: "made", outcome: "ran", key, reason, seconds, record: result.success } as StageEnd)
          : yield* failed(schedule, step, {
              state: "failed",
              key,
              reason,
              seconds,
              failure: yield* withMemory(result.failure, foretell)
            })
      })
    )
    const inRoom = Effect.gen(function* () {
      if (room === undefined) return yield* attempt
      const need = yield* foretell
      return yield* attempt.pipe(
        room.within(need, () => listener.emit({ event: "log", ...at, line: waitsForMemory(need!, room) }))
      )
    })
    return yield* withLease(schedule.folder, key, {
      make: inRoom,
      look: Effect.map(records.lookup(key), (found) => (Option.isSome(found) ? hit(found.value, true) : undefined)),
      waiting: () =>
        listener.emit({ event: "log", ...at, line: "another process is making this result: waiting for it" })
    })
  })
  const end = yield* Effect.onInterrupt(make, () =>
    Deferred.succeed(deferred, { state: "skipped", reason: "interrupted" })
  ).pipe(Effect.ensuring(Effect.sync(() => void schedule.inFlight.delete(key))))
  yield* Deferred.succeed(deferred, end)
  return end as StageEnd
})
