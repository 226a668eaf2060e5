import type { JsonObject } from "@hone/core/Json"
import type { OutputArtifact } from "@hone/core/Stage"
import { float64, int32, nullableFloat64, utf8 } from "../arrow/columns.ts"
import { writeTable } from "../arrow/writer.ts"
import type { TrainParams } from "./params.ts"

/** A row of the history: an optimizer step on training rows, or an evaluation on validation rows. */
export interface HistoryRow {
  /** Optimizer steps done. */
  readonly optimizer_step: number
  /** Passes over the training rows done. */
  readonly epoch: number
  readonly part: "train" | "validation"
  /** Mean cross-entropy in nats over the rows of the step, or of all validation rows. */
  readonly loss: number
  readonly accuracy: number | null
  readonly learning_rate: number | null
  /** Before clipping. */
  readonly grad_norm: number | null
}

/** An evaluation as the facts of a history tell it. */
export type Evaluation = Pick<HistoryRow, "optimizer_step" | "epoch" | "loss" | "accuracy">

export interface Best {
  readonly optimizer_step: number
  readonly loss: number
}

/** The evaluation with the lowest loss, the first of equals. */
export const bestOf = (evaluations: ReadonlyArray<HistoryRow>): Best | null =>
  evaluations.reduce<Best | null>(
    (best, { loss, optimizer_step }) => (best === null || loss < best.loss ? { optimizer_step, loss } : best),
    null
  )

/**
 * Why training stops before its last step, or undefined. A function of the evaluations alone, so that a resumed training
 * decides as the straight one did. An evaluation is an improvement when it is lower than every one before it by more than
 * `min_delta`.
 */
export const stopReason = (
  evaluations: ReadonlyArray<HistoryRow>,
  rule: TrainParams["early_stopping"]
): string | undefined => {
  if (rule === false) return undefined
  let best = Infinity
  let waited = 0
  for (const { loss } of evaluations) {
    waited = loss < best - rule.min_delta ? 0 : waited + 1
    best = Math.min(best, loss)
  }
  if (waited < rule.patience) return undefined
  return `early stopping: eval_loss did not improve on ${best.toFixed(4)} in ${waited} evaluation${waited === 1 ? "" : "s"}`
}

/** Optimizer steps whose mean loss is compared. */
export const WINDOW = 20

/**
 * Whether training went astray: the mean loss of the last steps over what it was at the start, where it exceeds `most`; else undefined.
 * The start is the mean of the first steps, but at most the loss of the very first one or of knowing nothing, whichever is more: a
 * training that blows up in its second step has no sound first ones. A function of the history alone, as early stopping is.
 *
 * @param chance the loss of a model that knows nothing
 */
export const divergence = (history: ReadonlyArray<HistoryRow>, most: number, chance: number): number | undefined => {
  const losses = history.flatMap(({ loss, part }) => (part === "train" ? [loss] : []))
  if (losses.length < WINDOW) return undefined
  const mean = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value / values.length, 0)
  const start = Math.min(mean(losses.slice(0, WINDOW)), Math.max(chance, losses[0]!))
  const ratio = mean(losses.slice(-WINDOW)) / start
  return ratio > most ? ratio : undefined
}

/** Writes the history artifact. No clock is in it: the same training gives the same bytes. */
export const writeHistory = (folder: string, history: ReadonlyArray<HistoryRow>, facts: JsonObject): OutputArtifact =>
  writeTable(
    folder,
    "history.arrow",
    {
      optimizer_step: int32(Int32Array.from(history, (row) => row.optimizer_step)),
      epoch: float64(Float64Array.from(history, (row) => row.epoch)),
      part: utf8(history.map((row) => row.part)),
      loss: float64(Float64Array.from(history, (row) => row.loss)),
      accuracy: nullableFloat64(history.map((row) => row.accuracy)),
      learning_rate: nullableFloat64(history.map((row) => row.learning_rate)),
      grad_norm: nullableFloat64(history.map((row) => row.grad_norm))
    },
    { facts }
  )
