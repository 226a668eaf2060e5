import { Effect, Option } from "effect"
import type { Pipeline, PipelineStep, PipelineTypes } from "../Pipeline.ts"
import type { ActionRecord, Preimage } from "../record/ActionRecord.ts"
import type { LastKeys, ResolvedSource } from "../Services.ts"
import { ActionRecords, Engine, Implementations } from "../Services.ts"
import type { OutputArtifact, Work } from "../Stage.ts"
import type { Stage } from "../Step.ts"
import type { Change } from "./Changes.ts"
import { changesBetween, describeChanges } from "./Changes.ts"
import { keyOf, seedOf } from "./Key.ts"
import { boundInputs } from "./StageInputs.ts"
import type { Keyed } from "./StageKey.ts"
import { keyStage, workOf } from "./StageKey.ts"

/** A pipeline with its sources found and digested, step name -> source name -> source, and its edges typed. */
export interface Prepared {
  readonly pipeline: Pipeline
  readonly sources: Readonly<Record<string, Readonly<Record<string, ResolvedSource>>>>
  readonly types: PipelineTypes
}

/**
 * `hit`: the result is there. `run`: it must be made. `maybe`: an input is not known yet, and a record waits that will fit if the
 * input comes out as before. `absent`: the stage does not apply. `not_needed`: an intermediate that only hits would read.
 */
export type StageVerdict = "hit" | "run" | "maybe" | "absent" | "not_needed"

export interface PlannedStage {
  readonly name: string
  readonly identity: string
  readonly verdict: StageVerdict
  readonly reason: string
  readonly key: string | null
  readonly changes: ReadonlyArray<Change>
  readonly preimage: Preimage
  /** The inputs whose content is not known yet, with the step that has to make them. */
  readonly waits: Readonly<Record<string, string>>
  readonly record: ActionRecord | undefined
  /** Seconds that the stage took when it last ran, under whatever params; undefined where it has not. */
  readonly took: number | undefined
  /** What it has to do, as far as that is known. */
  readonly work: Work | undefined
}

export interface PlannedStep {
  readonly name: string
  readonly kind: string
  readonly verdict: "hit" | "run" | "maybe"
  readonly reason: string
  /** Key of the stage that makes the main output; null while it cannot be known. */
  readonly key: string | null
  readonly stages: ReadonlyArray<PlannedStage>
}

export interface Plan {
  readonly steps: ReadonlyArray<PlannedStep>
}

interface KnownStep {
  readonly reads: ReadonlyArray<unknown>
  readonly planned: PlannedStep
}

/**
 * Steps that were planned before and are hits, by name and by their decoded params: under the very same params and inputs they are the
 * same hits, and need not be keyed again. For plans that have most in common: a trial of a sweep keys what its own params reach.
 */
export type KnownSteps = Map<string, Map<unknown, Array<KnownStep>>>

const ago = (record: ActionRecord) =>
  `made ${record.finished_at.slice(0, 16).replace("T", " ")} UTC in ${record.seconds < 10 ? record.seconds.toFixed(1) : Math.round(record.seconds)} s`

const waitsFor = (step: PipelineStep, stage: Stage<any>, unknown: ReadonlyArray<string>): Record<string, string> =>
  Object.fromEntries(
    boundInputs(step, stage).flatMap(({ input, name, ref }) => {
      if (!unknown.includes(name)) return []
      return [[name, ref?.step ?? `${step.name}/${"stage" in input.from ? input.from.stage : ""}`] as const]
    })
  )

/** The reason for running a stage whose key is known and has no record. */
export const reasonToRun = (preimage: Preimage, key: string, last: ActionRecord | undefined) => {
  if (last === undefined) return { reason: "has not run before", changes: [] }
  if (last.key === key) return { reason: "its result is no longer in the store", changes: [] }
  const changes = changesBetween(last.preimage, preimage)
  return { reason: describeChanges(changes), changes }
}

const equalButFor = (known: Preimage, candidate: Preimage, unknown: ReadonlyArray<string>): boolean =>
  Object.entries(known.inputs).every(([name, digest]) => unknown.includes(name) || candidate.inputs[name] === digest)

/**
 * What a run would do now, and why: walks the steps in running order, and keys each stage from what the ones before it left.
 * Reads records only; opens no artifact.
 */
export const plan = Effect.fn("plan")(function* (prepared: Prepared, last: LastKeys, known: KnownSteps = new Map()) {
  const records = yield* ActionRecords
  const implementations = yield* Implementations
  const engine = yield* Engine
  const { pipeline } = prepared
  const made = new Map<string, OutputArtifact | undefined>() // "step.output", and "step/stage.output" for intermediates
  const steps: Array<PlannedStep> = []

  const planStage = Effect.fnUntraced(function* (step: PipelineStep, stage: Stage<any>) {
    const inputs: Record<string, OutputArtifact | undefined> = {}
    for (const { input, name, ref } of boundInputs(step, stage)) {
      const own = "output" in input.from ? input.from.output : ""
      inputs[name] = made.get(ref !== undefined ? `${ref.step}.${ref.output}` : `${step.name}.${own}`)
    }
    const keyed: Keyed = keyStage({
      pipeline,
      step,
      stage,
      inputs,
      sources: prepared.sources[step.name] ?? {},
      engine,
      implementation: implementations.digest,
      seed: seedOf(pipeline.seed, stage.identity, step.params.seed)
    })
    const common = {
      name: stage.name,
      identity: stage.identity,
      preimage: keyed.preimage,
      changes: [],
      record: undefined,
      took: undefined,
      work: workOf(step, stage, inputs)
    }
    if (keyed.applies?.run === false) {
      return { ...common, verdict: "absent", reason: keyed.applies.reason, key: null, waits: {} } as PlannedStage
    }
    const lastKey = last[step.name]?.[stage.name]
    const recall = lastKey === undefined ? Effect.succeed(Option.none<ActionRecord>()) : records.recall(lastKey)
    if (keyed.unknown.length > 0) {
      const waits = waitsFor(step, stage, keyed.unknown)
      const waiting = `waits for ${[...new Set(Object.values(waits))].join(", ")}`
      const shelf = yield* records.shelf(keyed.preimage)
      if (shelf.some((record) => equalButFor(keyed.preimage, record.preimage, keyed.unknown))) {
        const reason = `${waiting}: a hit if that comes out as before`
        return { ...common, verdict: "maybe", reason, key: null, waits } as PlannedStage
      }
      const before = yield* recall
      const took = Option.getOrUndefined(before)?.seconds
      const own = Option.isSome(before)
        ? changesBetween(before.value.preimage, keyed.preimage).filter((change) => !change.field.startsWith("inputs."))
        : []
      const reason = own.length === 0 ? waiting : `${describeChanges(own)}; ${waiting}`
      return { ...common, verdict: "run", reason, key: null, waits, changes: own, took } as PlannedStage
    }
    const key = keyOf(keyed.preimage)
    const found = yield* records.lookup(key)
    const note = keyed.applies?.reason ? `; ${keyed.applies.reason}` : ""
    if (Option.isSome(found)) {
      return {
        ...common,
        verdict: "hit",
        reason: ago(found.value),
        key,
        waits: {},
        record: found.value
      } as PlannedStage
    }
    const before = Option.getOrUndefined(yield* recall)
    const { changes, reason } = reasonToRun(keyed.preimage, key, before)
    const took = before?.seconds
    return { ...common, verdict: "run", reason: reason + note, key, waits: {}, changes, took } as PlannedStage
  })

  /** Everything that a step's keys hang on beside its params, by identity. */
  const readBy = (step: PipelineStep): ReadonlyArray<unknown> => [
    pipeline.seed,
    step.definition,
    JSON.stringify(step.hidden),
    ...Object.entries(step.inputs).flatMap(([port, ref]) => [port, made.get(`${ref.step}.${ref.output}`)]),
    ...Object.values(prepared.sources[step.name] ?? {})
  ]
  const keep = (step: PipelineStep, stages: ReadonlyArray<PlannedStage>) => {
    for (const [at, { record }] of stages.entries()) {
      for (const output of Object.keys(step.definition.stages[at]!.outputs))
        made.set(`${step.name}.${output}`, record?.outputs[output])
    }
  }

  for (const step of pipeline.steps) {
    const reads = readBy(step)
    const before = known
      .get(step.name)
      ?.get(step.params)
      ?.find((one) => one.reads.length === reads.length && one.reads.every((read, at) => read === reads[at]))
    if (before !== undefined) {
      keep(step, before.planned.stages)
      steps.push(before.planned)
      continue
    }
    const stages: Array<PlannedStage> = []
    for (const stage of step.definition.stages) {
      const planned = yield* planStage(step, stage)
      stages.push(planned)
      keep(step, stages)
    }
    const planned = summarise(step, sparingIntermediates(step, stages))
    steps.push(planned)
    if (planned.verdict !== "hit") continue
    const ofName = known.get(step.name) ?? new Map<unknown, Array<KnownStep>>()
    known.set(step.name, ofName)
    ofName.set(step.params, [...(ofName.get(step.params) ?? []), { reads, planned }])
  }
  return { steps } as Plan
})

/** An intermediate runs for its readers alone: where they all hit, nobody asks for it. */
const sparingIntermediates = (step: PipelineStep, stages: ReadonlyArray<PlannedStage>): ReadonlyArray<PlannedStage> =>
  stages.map((planned, i) => {
    const stage = step.definition.stages[i]!
    if (!stage.intermediate || planned.verdict === "absent" || planned.verdict === "hit") return planned
    const readers = step.definition.stages.flatMap((reader, j) =>
      Object.values(reader.inputs).some(({ from }) => "stage" in from && from.stage === stage.name) ? [stages[j]!] : []
    )
    if (readers.some((reader) => reader.verdict === "run" || reader.verdict === "maybe")) return planned
    return { ...planned, verdict: "not_needed", reason: "what reads it is cached" }
  })

const summarise = (step: PipelineStep, stages: ReadonlyArray<PlannedStage>): PlannedStep => {
  const active = stages.filter(({ verdict }) => verdict !== "absent" && verdict !== "not_needed")
  const own = active.filter((_, i) => !step.definition.stages[stages.indexOf(active[i]!)]!.intermediate)
  const deciding =
    own.find(({ verdict }) => verdict === "run") ?? own.find(({ verdict }) => verdict === "maybe") ?? own.at(-1)
  const verdict = deciding?.verdict === "run" || deciding?.verdict === "maybe" ? deciding.verdict : "hit"
  const main = step.definition.main
  const maker =
    stages.find((_, i) => main !== undefined && Object.hasOwn(step.definition.stages[i]!.outputs, main)) ??
    stages.at(-1)
  return {
    name: step.name,
    kind: step.definition.kind,
    verdict,
    reason: deciding?.reason ?? "",
    key: maker?.key ?? null,
    stages
  }
}
