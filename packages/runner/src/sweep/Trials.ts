import { PipelineFaults } from "@hone/core/Fault"
import type { PipelineReader } from "@hone/core/file/Decode"
import { type Override, pathOfName } from "@hone/core/file/Overrides"
import type { Json } from "@hone/core/Json"
import type { Pipeline, PipelineStep } from "@hone/core/Pipeline"
import { type KnownSteps, type Plan, plan, type Prepared } from "@hone/core/plan/Plan"
import { prepare } from "@hone/core/plan/Prepare"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import { ActionRecords, type LastKeys, type ResolvedSource, Sources } from "@hone/core/Services"
import type { Facts, Measured } from "@hone/core/Step"
import type { Metric, Sweep, TrialParams } from "@hone/core/sweep/Sweep"
import { Effect, Layer, Option } from "effect"
import { stepsBehind } from "../results/Upstream.ts"

/** A piece of a trial's work: as far as a rung or to its end, under the file's own seed or as a replicate. */
export interface Piece {
  readonly params: TrialParams
  /** null: to the end. */
  readonly until: number | null
  readonly replicate: number
  /** Every step of the file, the test rows' too: the winner alone. */
  readonly whole?: true
}

/** A piece as the planner sees it. */
export interface PlannedPiece {
  readonly prepared: Prepared
  readonly planned: Plan
  readonly isDone: boolean
}

/** Whether a step draws for its training: what replicates give another seed. Data keeps its seed, so that all have the same rows. */
const isReseeded = ({ definition }: PipelineStep): boolean =>
  definition.stages.some((stage) => stage.random && stage.numerics) && Object.hasOwn(definition.params.fields, "seed")

const overridesOf = (params: TrialParams): ReadonlyArray<Override> =>
  Object.entries(params).flatMap(([text, value]) => {
    const path = pathOfName(text)
    return path === undefined ? [] : [{ text: `${text}=${JSON.stringify(value)}`, path, value }]
  })

const setting = (step: PipelineStep, name: string, value: Json): Override => ({
  text: `${step.written}.${name}=${JSON.stringify(value)}`,
  path: ["steps", step.written, "with", name],
  value
})

/** Trials have most of what they read in common: sources are looked at once, and a record that was found is kept. */
export interface Memo {
  readonly sources: Map<string, ResolvedSource>
  readonly records: Map<string, Option.Option<ActionRecord>>
  readonly steps: KnownSteps
}

export const emptyMemo = (): Memo => ({ sources: new Map(), records: new Map(), steps: new Map() })

/** What was known of results, where one of them turned out damaged. */
export const forget = ({ records, steps }: Memo): void => {
  records.clear()
  steps.clear()
}

const once = <A, E>(known: Map<string, A>, id: string, find: Effect.Effect<A, E>, isKept: (found: A) => boolean) =>
  Effect.suspend(() => {
    const before = known.get(id)
    if (before !== undefined) return Effect.succeed(before)
    return Effect.tap(find, (found) => Effect.sync(() => void (isKept(found) && known.set(id, found))))
  })

const rememberedSources = (memo: Memo) =>
  Layer.effect(
    Sources,
    Effect.map(Sources, ({ resolve }) =>
      Sources.of({
        resolve: (request, step, params, conceal) => {
          const id = JSON.stringify([step.kind, request, params])
          return once(memo.sources, id, resolve(request, step, params, conceal), () => true)
        }
      })
    )
  )

const rememberedRecords = (memo: Memo) =>
  Layer.effect(
    ActionRecords,
    Effect.map(ActionRecords, (records) =>
      ActionRecords.of({
        ...records,
        lookup: (key) => once(memo.records, key, records.lookup(key), Option.isSome)
      })
    )
  )

/** The services behind trials. A record that is damaged later is found so by the stage that reads it: forget it then. */
export const remembering = (memo: Memo) => Layer.merge(rememberedSources(memo), rememberedRecords(memo))

export interface Trials {
  readonly reader: PipelineReader
  readonly sweep: Sweep
  readonly last: LastKeys
  readonly memo: Memo
}

/** The pipeline of a piece: under its params, cut to the steps that its objective hangs on; or its faults. */
export const pipelineOf = ({ reader, sweep }: Trials, piece: Piece): Pipeline | PipelineFaults => {
  const overrides = overridesOf(piece.params)
  const whole = reader.decode(overrides)
  if (whole instanceof PipelineFaults) return whole
  const further = [...untilOverrides(sweep, whole, piece.until), ...seedOverrides(whole, piece.replicate)]
  const pipeline = further.length === 0 ? whole : reader.decode([...overrides, ...further])
  if (pipeline instanceof PipelineFaults || piece.whole === true) return pipeline
  const metrics = sweep.prune === null ? [sweep.objective] : [sweep.objective, sweep.prune.metric]
  // On the way to a rung nothing but the rung's own metric is told.
  const wanted = piece.until === null ? metrics : metrics.slice(-1)
  const needed = new Set(
    wanted.flatMap(({ step }) => stepsBehind(pipeline, { step, output: "" })).map(({ name }) => name)
  )
  return { ...pipeline, steps: pipeline.steps.filter(({ name }) => needed.has(name)) }
}

const stepOf = (pipeline: Pipeline, name: string): PipelineStep | undefined =>
  pipeline.steps.find((step) => step.name === name)

const untilOverrides = ({ prune }: Sweep, pipeline: Pipeline, until: number | null): ReadonlyArray<Override> => {
  const step = prune === null ? undefined : stepOf(pipeline, prune.metric.step)
  if (until === null || step === undefined) return []
  return Object.entries(prune!.resource.until(step.params, until)).map(([name, value]) => setting(step, name, value))
}

const seedOverrides = (pipeline: Pipeline, replicate: number): ReadonlyArray<Override> =>
  replicate === 0
    ? []
    : pipeline.steps
        .filter(isReseeded)
        .map((step) => setting(step, "seed", ((Number(step.params.seed ?? 0) + replicate) % 2 ** 32) as Json))

/** Plans a piece. Fails with the faults of its params, where these do not go together. */
export const planPiece = Effect.fnUntraced(function* (trials: Trials, piece: Piece) {
  const pipeline = pipelineOf(trials, piece)
  if (pipeline instanceof PipelineFaults) return yield* pipeline
  const prepared = yield* prepare(pipeline)
  const planned = yield* plan(prepared, trials.last, trials.memo.steps)
  const isDone = planned.steps.every(({ verdict }) => verdict === "hit")
  const result: PlannedPiece = { prepared, planned, isDone }
  return result
})

/** What a finished piece says of a metric. */
export const measuredBy = ({ planned }: PlannedPiece, { measure, step }: Metric): Measured | undefined => {
  const stages = planned.steps.find(({ name }) => name === step)?.stages ?? []
  const facts = stages.flatMap(({ record }) => record?.outputs[measure.output]?.facts ?? []).at(0)
  return facts === undefined ? undefined : measure.read(facts as Facts)
}

/** The rungs that a trial passes: those below all that it has of the resource. */
export const ladderOf = (trials: Trials, params: TrialParams): ReadonlyArray<number> => {
  const { prune } = trials.sweep
  if (prune === null) return []
  const pipeline = pipelineOf(trials, { params, until: null, replicate: 0 })
  const step = pipeline instanceof PipelineFaults ? undefined : stepOf(pipeline, prune.metric.step)
  if (step === undefined) return []
  const total = prune.resource.total(step.params)
  return prune.rungs.filter((rung) => rung < total)
}
