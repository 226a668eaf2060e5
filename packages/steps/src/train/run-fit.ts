import type { StageContext, StageResult } from "@hone/core/Stage"
import type { TrainingProgram } from "@hone/nn"
import { Effect } from "effect"
import type { ModelManifest } from "../artifacts/manifest.ts"
import { type Tensor, writeModel } from "../artifacts/model.ts"
import { attempt } from "../attempt.ts"
import { openSession, stageEngine, type TimedEngine } from "../tensors/engine.ts"
import { readCheckpoint, type TrainingState } from "./checkpoint.ts"
import { fit } from "./fit.ts"
import { bestOf, type HistoryRow, writeHistory } from "./history.ts"
import { prepareLabelled } from "./labelled.ts"
import { prepareMasked } from "./masked.ts"
import type { TrainParams } from "./params.ts"
import type { Prepared } from "./prepared.ts"
import { Trainer } from "./Trainer.ts"

/** Tunes the model: see README. */
export const run = Effect.fn("train.fit")(function* (context: StageContext) {
  const started = performance.now()
  const { objective } = context.params as TrainParams
  const prepared = yield* objective === "mlm" ? prepareMasked(context) : prepareLabelled(context)
  const engine = yield* stageEngine(context.engine)
  const done = yield* inPhases(context, engine, prepared)
  const outputs = yield* attempt(() => writeOutputs(context, prepared, done))
  const result: StageResult = {
    outputs,
    counts: {
      rows: prepared.train.rowIds.length,
      validation_rows: prepared.validation?.rowIds.length ?? 0,
      optimizer_steps: done.steps,
      batch_size: prepared.params.batch_size,
      resumed_at_step: done.resumedAt,
      engine_seconds: engine.seconds(),
      wall_seconds: (performance.now() - started) / 1000
    },
    warnings: [
      ...prepared.warnings,
      ...done.damaged.map((place) => `a checkpoint was damaged and is passed over: ${place}`)
    ]
  }
  return result
})

interface Done {
  readonly history: ReadonlyArray<HistoryRow>
  readonly evaluations: ReadonlyArray<HistoryRow>
  readonly stopped: string
  readonly weights: ReadonlyMap<string, Float32Array>
  readonly resumedAt: number
  /** Folders of checkpoints that could not be gone on from. */
  readonly damaged: ReadonlyArray<string>
  readonly steps: number
}

/** The phases from the last checkpoint on, each in a session of its own, which starts from the state that the one before left. */
const inPhases = Effect.fnUntraced(function* (context: StageContext, engine: TimedEngine, prepared: Prepared) {
  const { phases, plan } = prepared
  const damaged: Array<string> = []
  const resumed =
    context.checkpoints === undefined
      ? undefined
      : readCheckpoint(context.checkpoints, plan.totalSteps, (place) => damaged.push(place))
  const resumedAt = resumed?.optimizer_step ?? 0
  let state = resumed
  for (const [at, phase] of phases.entries()) {
    const until = phases[at + 1]?.from ?? plan.totalSteps
    if (resumedAt >= until && at + 1 < phases.length) continue
    if (phase.begins !== "") context.log(`after optimizer step ${phase.from}: ${phase.begins} trains too`)
    const ended = yield* Effect.scoped(inPhase({ context, engine, prepared, program: phase.program(), until, state }))
    if (ended.done !== undefined) return { ...ended.done, resumedAt, damaged }
    state = ended.state
  }
  throw new Error("the last phase of a training ended without a reason")
})

interface PhaseWork {
  readonly context: StageContext
  readonly engine: TimedEngine
  readonly prepared: Prepared
  readonly program: TrainingProgram
  /** The optimizer step at which it ends. */
  readonly until: number
  readonly state: TrainingState | undefined
}

const inPhase = Effect.fnUntraced(function* ({ context, engine, prepared, program, state, until }: PhaseWork) {
  const session = yield* openSession(engine, program)
  const { chance, params, plan, validation } = prepared
  const trainer = new Trainer({ ...prepared, program, session, seed: context.seed })
  yield* Effect.promise(() => trainer.start(prepared.weights))
  if (state !== undefined) yield* Effect.promise(() => trainer.resume(state))
  const stopped = yield* fit({ trainer, params, plan, chance, validation, context, until })
  if (stopped === undefined) return { done: undefined, state: yield* Effect.promise(() => trainer.state()) }
  const done: Omit<Done, "resumedAt" | "damaged"> = {
    history: trainer.history,
    evaluations: trainer.evaluations,
    stopped,
    weights: trainer.best ?? (yield* Effect.promise(() => trainer.weights())),
    steps: trainer.step
  }
  return { done, state: undefined }
})

const writeOutputs = (
  context: StageContext,
  prepared: Prepared,
  { evaluations, history, stopped, weights }: Done
): StageResult["outputs"] => {
  const { dropped, model, plan, program, written } = prepared
  const manifest: ModelManifest = {
    ...prepared.manifest,
    base: model.manifest.base ?? context.inputs["model"]!.content
  }
  const shapes = new Map(program.parameters.map(({ name, shape }) => [name, shape]))
  const tensors = new Map<string, Tensor>()
  for (const name of program.trainable) {
    const values = weights.get(name)
    // What had not begun to train by the best evaluation stays in the file of the base.
    if (values === undefined) continue
    const kept = written(name, values)
    if (kept !== null) tensors.set(kept[0], { shape: shapes.get(name)!, values: kept[1] })
  }
  const best = bestOf(evaluations)
  const last = history.findLast(({ part }) => part === "train")
  return {
    model: writeModel({ folder: context.folder, file: "model.arrow", manifest, from: model, tensors, dropped }),
    history: writeHistory(context.folder, history, {
      best_step: best?.optimizer_step ?? last?.optimizer_step ?? 0,
      best_loss: best?.loss ?? null,
      stopped,
      epochs: last?.epoch ?? 0,
      evaluations: evaluations.map(({ accuracy, epoch, loss, optimizer_step }) => ({
        optimizer_step,
        epoch,
        loss,
        accuracy
      })),
      steps_per_epoch: plan.stepsPerEpoch,
      batch_size: prepared.params.batch_size
    })
  }
}
