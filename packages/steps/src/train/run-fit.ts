import type { StageContext, StageResult } from "@hone/core/Stage"
import { Effect } from "effect"
import type { ModelManifest } from "../artifacts/manifest.ts"
import { type Tensor, writeModel } from "../artifacts/model.ts"
import { attempt } from "../attempt.ts"
import { openSession, stageEngine } from "../tensors/engine.ts"
import { readCheckpoint } from "./checkpoint.ts"
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
  const done = yield* Effect.scoped(
    Effect.gen(function* () {
      const session = yield* openSession(engine, prepared.program)
      const { params, plan, train, validation } = prepared
      const trainer = new Trainer({ ...prepared, session, params, plan, train, validation, seed: context.seed })
      yield* Effect.promise(() => trainer.start(prepared.weights))
      const resumed =
        context.checkpoints === undefined ? undefined : readCheckpoint(context.checkpoints, plan.totalSteps)
      if (resumed !== undefined) yield* Effect.promise(() => trainer.resume(resumed))
      const stopped = yield* fit({ trainer, params, plan, validation, context })
      const weights = trainer.best ?? (yield* Effect.promise(() => trainer.weights()))
      return {
        history: trainer.history,
        evaluations: trainer.evaluations,
        stopped,
        weights,
        resumedAt: resumed?.optimizer_step ?? 0,
        steps: trainer.step
      }
    })
  )
  const outputs = yield* attempt(() => writeOutputs(context, prepared, done))
  const result: StageResult = {
    outputs,
    counts: {
      rows: prepared.train.rowIds.length,
      validation_rows: prepared.validation?.rowIds.length ?? 0,
      optimizer_steps: done.steps,
      resumed_at_step: done.resumedAt,
      engine_seconds: engine.seconds(),
      wall_seconds: (performance.now() - started) / 1000
    },
    warnings: prepared.warnings
  }
  return result
})

interface Done {
  readonly history: ReadonlyArray<HistoryRow>
  readonly evaluations: ReadonlyArray<HistoryRow>
  readonly stopped: string
  readonly weights: ReadonlyMap<string, Float32Array>
}

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
    const kept = written(name, weights.get(name)!)
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
      steps_per_epoch: plan.stepsPerEpoch
    })
  }
}
