import { type StageContext, StageError } from "@hone/core/Stage"
import { Effect } from "effect"
import { attempt } from "../attempt.ts"
import { breathe } from "../tensors/engine.ts"
import { sample } from "../tensors/tokens.ts"
import type { SizedParams } from "./batchSize.ts"
import { writeCheckpoint } from "./checkpoint.ts"
import { divergence, type HistoryRow, stopReason, WINDOW } from "./history.ts"
import type { ValidationRows } from "./rows.ts"
import type { TrainingPlan } from "./schedule.ts"
import { NotANumber, type Trainer } from "./Trainer.ts"

export interface Fit {
  readonly trainer: Trainer
  readonly params: SizedParams
  readonly plan: TrainingPlan
  /** The loss of a model that knows nothing. */
  readonly chance: number
  readonly validation: ValidationRows | undefined
  readonly context: Pick<StageContext, "checkpoints" | "log" | "progress">
  /** The optimizer step at which it ends: the last one, or where another phase begins. */
  readonly until: number
}

/**
 * Steps until the last one or until early stopping says so; evaluates and saves at the end of each epoch. Can be interrupted
 * between any two steps.
 * @returns why it stopped; undefined where it goes on in another phase
 */
export const fit = Effect.fnUntraced(function* (work: Fit) {
  const { chance, params, plan, trainer, until } = work
  const reason = () => stopReason(trainer.evaluations, params.early_stopping)
  while (trainer.step < until && reason() === undefined) {
    const row = yield* advance(trainer)
    const ratio = trainer.step % WINDOW === 0 ? divergence(trainer.history, params.max_loss_ratio, chance) : undefined
    if (ratio !== undefined) return yield* diverged(trainer.step, ratio)
    const atEnd = trainer.step % plan.stepsPerEpoch === 0
    if (trainer.step % params.log_every === 0 || atEnd) report(work, row)
    if (atEnd) yield* evaluate(work)
    if (atEnd || trainer.step % params.checkpoint_every === 0) yield* save(work)
    yield* Effect.promise(breathe)
  }
  if (until < plan.totalSteps) return reason()
  // The end of a broken epoch is no point of the trajectory: a longer training would not stop here to evaluate.
  if (trainer.step % plan.stepsPerEpoch !== 0 && reason() === undefined) yield* evaluate(work)
  return reason() ?? `${params.epochs} epoch${params.epochs === 1 ? "" : "s"}`
})

const advance = (trainer: Trainer): Effect.Effect<HistoryRow, StageError> =>
  attempt(() =>
    trainer.advance().catch((cause: unknown) => {
      throw cause instanceof NotANumber ? nanLoss(cause) : cause
    })
  )

const nanLoss = ({ message, rowIds }: Pick<NotANumber, "message" | "rowIds">): StageError =>
  new StageError({
    code: "nan_loss",
    message: `${message}; its rows are ${sample(rowIds)}`,
    hint: "lower learning_rate, raise warmup_ratio, or look at these rows",
    param: "learning_rate",
    row_ids: rowIds
  })

const diverged = (step: number, ratio: number): StageError =>
  new StageError({
    code: "diverged",
    message: `training diverges: at optimizer step ${step} the loss of the last 20 steps is ${ratio.toFixed(1)} times what it was at the start`,
    hint: "lower learning_rate or raise warmup_ratio; if this is as it should be, raise max_loss_ratio",
    param: "learning_rate"
  })

const report = ({ context, plan, trainer }: Fit, { epoch, learning_rate, loss }: HistoryRow): void => {
  const values = { loss, epoch, learning_rate: learning_rate ?? 0 }
  context.progress({ done: trainer.step, total: plan.totalSteps, unit: "steps", values })
}

const evaluate = Effect.fnUntraced(function* ({ context, plan, trainer, validation }: Fit) {
  if (validation === undefined) return
  const { furtherAccuracy, row } = yield* Effect.promise(() => trainer.evaluate(validation))
  const { accuracy, epoch, loss } = row
  if (!Number.isFinite(loss)) {
    const message = `the loss over the validation rows is not a finite number after optimizer step ${trainer.step}`
    return yield* nanLoss({ message, rowIds: validation.rowIds })
  }
  const values = { eval_loss: loss, ...(accuracy === null ? {} : { accuracy }), epoch }
  context.progress({ done: trainer.step, total: plan.totalSteps, unit: "steps", values })
  const right = accuracy === null ? "" : `, accuracy ${(accuracy * 100).toFixed(1)} %`
  const further = furtherAccuracy === null ? "" : `, of ${validation.further} ${(furtherAccuracy * 100).toFixed(1)} %`
  context.log(`epoch ${epoch.toFixed(2)}: eval_loss ${loss.toFixed(4)}${right}${further}`)
})

const save = Effect.fnUntraced(function* ({ context, trainer }: Fit) {
  const { checkpoints } = context
  if (checkpoints === undefined) return
  const state = yield* Effect.promise(() => trainer.state())
  yield* attempt(() => writeCheckpoint(checkpoints, state))
})
