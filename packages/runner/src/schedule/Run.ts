import type { RunEvent } from "@hone/core/Contract"
import type { Plan, Prepared } from "@hone/core/plan/Plan"
import type { BoundInput } from "@hone/core/plan/StageInputs"
import { boundInputs } from "@hone/core/plan/StageInputs"
import { makerOf } from "@hone/core/plan/StageKey"
import type { Pipeline, PipelineStep } from "@hone/core/Pipeline"
import type { StageOutcome, StepOutcome } from "@hone/core/record/RunRecord"
import type { ActionRecords, Engine, Implementations, LastKeys } from "@hone/core/Services"
import type { OutputArtifact } from "@hone/core/Stage"
import type { Stage } from "@hone/core/Step"
import { Deferred, Effect, Semaphore } from "effect"
import { settleRecords } from "../store/Commit.ts"
import type { StoreFolder } from "../store/Folder.ts"
import { enter, leave, noteInUse } from "../store/Live.ts"
import type { Workers } from "../worker/Workers.ts"
import { makeListener } from "./Events.ts"
import type { Room } from "./Room.ts"
import type { Schedule, Shared, StageEnd } from "./StageRun.ts"
import { runStage } from "./StageRun.ts"

type Needs = ActionRecords | Engine | Implementations | Workers

export interface RunOptions {
  readonly prepared: Prepared
  readonly planned: Plan
  readonly last: LastKeys
  readonly folder: StoreFolder
  readonly cores: number
  /** A folder that takes what each operation of a tensor stage took. */
  readonly profiles?: string | undefined
  readonly show: (event: RunEvent) => void
  /** Damaged files that earlier passes have told of. */
  readonly told?: Set<string>
  /** Told of each finished step as it ends, so that an interrupted run is remembered too. */
  readonly ended: (step: StepOutcome) => void
  /** Of runs side by side; absent: this one has the machine for itself. */
  readonly shared?: Shared
}

/**
 * A machine of so many cores, for so many runs side by side: a stage that asks for all cores gets its share of them.
 * @param room memory for what runs side by side; of one run alone, stages with tensors come one after the other
 */
export const share = (cores: number, runs: number, room?: Room): Effect.Effect<Shared> =>
  Effect.map(Semaphore.make(cores), (permits) => ({
    permits,
    wide: Math.max(1, Math.floor(cores / runs)),
    room,
    inFlight: new Map()
  }))

/** Where a step, or a param of it that is written, stands. */
const placeOf = ({ place }: Pipeline, { written }: PipelineStep, param: string | undefined) => {
  const at = ["steps", written]
  const own = place(at, "key")
  if (param === undefined) return own
  // Of what is not written, the nearest parent's place is given.
  const [of, parent] = [place([...at, "with", param], "key"), place([...at, "with"], "key")]
  return of.line === parent.line && of.column === parent.column ? own : of
}

const stageOutcome = (stage: Stage<any>, end: StageEnd | undefined): StageOutcome => {
  const common = { stage: stage.name, identity: stage.identity }
  if (end === undefined)
    return { ...common, key: null, outcome: "not_needed", reason: "what reads it is cached", seconds: 0 }
  switch (end.state) {
    case "made":
      return { ...common, key: end.key, outcome: end.outcome, reason: end.reason, seconds: end.seconds }
    case "absent":
      return { ...common, key: null, outcome: "not_needed", reason: end.reason, seconds: 0 }
    case "failed":
      return { ...common, key: end.key, outcome: "failed", reason: end.failure.message, seconds: end.seconds }
    case "skipped":
      return { ...common, key: null, outcome: "skipped", reason: end.reason, seconds: 0 }
  }
}

const summarise = (step: PipelineStep, stages: ReadonlyArray<StageOutcome>): StepOutcome => {
  const own = stages.filter(({ outcome }, i) => outcome !== "not_needed" && !step.definition.stages[i]!.intermediate)
  const first = (outcome: StageOutcome["outcome"]) => own.find((stage) => stage.outcome === outcome)
  const deciding = first("failed") ?? first("skipped") ?? first("ran") ?? first("cut_off") ?? own.at(-1)
  const outcome = deciding === undefined || deciding.outcome === "not_needed" ? "hit" : deciding.outcome
  return {
    name: step.name,
    kind: step.definition.kind,
    outcome,
    reason: deciding?.reason ?? "",
    seconds: stages.reduce((sum, stage) => sum + stage.seconds, 0),
    stages,
    reads: Object.fromEntries(Object.entries(step.inputs).map(([port, ref]) => [port, ref.step]))
  }
}

/**
 * Runs what has to run: one fiber for each stage, which waits for its inputs, bounded by the machine's cores. A failure skips what
 * depends on it; everything else goes on to its end.
 */
export const runSteps = Effect.fn("run")(function* (options: RunOptions) {
  const { prepared } = options
  settleRecords(options.folder)
  const listener = makeListener(options.show)
  const planned = new Map(
    options.planned.steps.flatMap((step) =>
      step.stages.map((stage) => [`${step.name}/${stage.name}`, stage.verdict] as const)
    )
  )
  const schedule: Schedule = {
    prepared,
    last: options.last,
    folder: options.folder,
    cores: options.cores,
    ...(options.shared ?? (yield* share(options.cores, 1))),
    listener,
    planned,
    damaged: new Set(),
    told: options.told ?? new Set(),
    profiles: options.profiles
  }
  const steps = new Map(prepared.pipeline.steps.map((step) => [step.name, step]))
  const ends = new Map<string, Deferred.Deferred<StageEnd>>()
  for (const step of prepared.pipeline.steps) {
    for (const stage of step.definition.stages) ends.set(`${step.name}/${stage.name}`, yield* Deferred.make<StageEnd>())
  }
  const known = new Map<string, StageEnd>()

  /** The stage behind an input: of an upstream step, or an earlier one of the same step. */
  const behind = (step: PipelineStep, { input, ref }: BoundInput) => {
    if ("stage" in input.from) return { id: `${step.name}/${input.from.stage}`, output: input.from.output }
    return { id: `${ref!.step}/${makerOf(steps.get(ref!.step)!, ref!.output).name}`, output: ref!.output }
  }

  const bring = (step: PipelineStep, stage: Stage<any>): Effect.Effect<StageEnd, never, Needs> =>
    Effect.gen(function* () {
      const inputs: Record<string, OutputArtifact | undefined> = {}
      let blocked: StageEnd | undefined
      for (const bound of boundInputs(step, stage)) {
        if (bound.input.derived === true) continue
        const { id, output } = behind(step, bound)
        const end = yield* Deferred.await(ends.get(id)!)
        if (end.state === "made") inputs[bound.name] = end.record.outputs[output]
        else
          blocked ??= {
            state: "skipped",
            reason: `${id.split("/")[0]} ${end.state === "failed" ? "failed" : "did not run"}`
          }
      }
      const derive = (input: string) => {
        const { from } = stage.inputs[input]!
        const name = "stage" in from ? from.stage : ""
        return finish(
          step,
          step.definition.stages.find((candidate) => candidate.name === name)!
        )
      }
      return blocked ?? (yield* runStage(schedule, step, stage, inputs, derive))
    })

  const begun = new Set<string>()
  const finish = (step: PipelineStep, stage: Stage<any>): Effect.Effect<StageEnd, never, Needs> =>
    Effect.gen(function* () {
      const id = `${step.name}/${stage.name}`
      const deferred = ends.get(id)!
      if (begun.has(id)) return yield* Deferred.await(deferred)
      begun.add(id)
      const end = yield* bring(step, stage)
      known.set(id, end)
      if (end.state === "made" && end.outcome !== "hit") noteInUse(options.folder, [end.key])
      yield* Deferred.succeed(deferred, end)
      if (end.state === "failed" && end.failure.blob === null) {
        const { code, hint, message, param, row_ids, stack } = end.failure
        const { column, file, line } = placeOf(options.prepared.pipeline, step, param)
        listener.emit({
          event: "failure",
          step: step.name,
          file,
          line,
          column,
          code,
          message: stack === null || code !== "defect" ? message : `${message}\n${stack}`,
          hint,
          row_ids
        })
      }
      return end
    })

  const runStep = Effect.fnUntraced(function* (step: PipelineStep) {
    const own = step.definition.stages.filter((stage) => !stage.intermediate)
    yield* Effect.forEach(own, (stage) => finish(step, stage), { concurrency: "unbounded", discard: true })
    const stages = step.definition.stages.map((stage) => stageOutcome(stage, known.get(`${step.name}/${stage.name}`)))
    const outcome = summarise(step, stages)
    const counts = Object.assign(
      {},
      ...own.map((stage) => {
        const end = known.get(`${step.name}/${stage.name}`)
        return end?.state === "made" ? end.record.counts : {}
      })
    ) as Record<string, unknown>
    // Another pass will bring it to its end.
    if (schedule.damaged.size > 0 && (outcome.outcome === "failed" || outcome.outcome === "skipped")) return
    options.ended(outcome)
    listener.emit({
      event: "step",
      name: step.name,
      outcome: outcome.outcome,
      reason: outcome.reason,
      seconds: outcome.seconds,
      counts
    })
  })

  enter(options.folder)
  noteInUse(
    options.folder,
    options.planned.steps.flatMap(({ stages }) => stages.flatMap(({ key }) => key ?? []))
  )
  yield* Effect.forEach(prepared.pipeline.steps, runStep, { concurrency: "unbounded", discard: true }).pipe(
    Effect.ensuring(Effect.sync(() => leave(options.folder)))
  )
  return { damaged: schedule.damaged }
})
