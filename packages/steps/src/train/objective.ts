import { StageError } from "@hone/core/Stage"
import type { Objective } from "@hone/nn"
import { Effect } from "effect"
import type { Targets } from "../tensors/targets.ts"
import { type LossParams, lossFault } from "./losses.ts"

/** What a training minimises, and what of it hangs on the training rows. */
export interface TrainingObjective {
  readonly objective: Objective
  /** How much a row counts in the mean of a batch: the weight of its class. */
  readonly weightOf: (row: number) => number
  /**
   * For a regression: targets are trained as (target - mean) / sd of the training rows, so that the learning rate does not hang on
   * their unit; losses are told, and weights written, in the unit of the targets.
   */
  readonly scale: Scale | null
}

export interface Scale {
  readonly mean: number
  readonly sd: number
}

/** Fails by `unknown_labels` for a weight of a class that there is not, `no_such_loss` for a loss that the task does not have. */
export const objectiveOf = (
  params: LossParams,
  targets: Targets,
  labels: ReadonlyArray<string>
): Effect.Effect<TrainingObjective, StageError> => {
  const wrong = lossFault(params, targets.kind)
  if (wrong !== undefined) return Effect.fail(new StageError({ code: "no_such_loss", ...wrong }))
  const given = params.class_weights
  const unknown = typeof given === "object" ? Object.keys(given).filter((name) => !labels.includes(name)) : []
  if (unknown.length > 0) {
    const message = `class_weights names ${unknown.join(", ")}, and there is no such label`
    return Effect.fail(new StageError({ code: "unknown_labels", message, hint: `the labels are ${labels.join(", ")}` }))
  }
  return Effect.succeed(makeObjective(params, targets, labels))
}

const makeObjective = (params: LossParams, targets: Targets, labels: ReadonlyArray<string>): TrainingObjective => {
  switch (targets.kind) {
    case "value":
      return { objective: { kind: "mean_squared_error" }, weightOf: () => 1, scale: scaleOf(targets.values) }
    case "several": {
      const pos_weight = weightsOf(params, labels, () => positiveWeights(targets.values, labels.length))
      return { objective: { kind: "binary_cross_entropy", pos_weight }, weightOf: () => 1, scale: null }
    }
    case "classes": {
      const class_weights = weightsOf(params, labels, () => balancedWeights(targets.classes, labels.length))
      const { focal_gamma, label_smoothing } = params
      return {
        objective: { kind: "cross_entropy", class_weights, focal_gamma, label_smoothing },
        weightOf: class_weights === undefined ? () => 1 : (row) => class_weights[targets.classes[row]!]!,
        scale: null
      }
    }
  }
}

const weightsOf = (
  { class_weights }: LossParams,
  labels: ReadonlyArray<string>,
  balanced: () => ReadonlyArray<number>
) => {
  if (class_weights === undefined) return undefined
  return class_weights === "balanced" ? balanced() : labels.map((name) => class_weights[name] ?? 1)
}

/** rows / (classes * rows of the class), as scikit-learn's `class_weight="balanced"`; 1 for a class without rows. */
const balancedWeights = (classes: Int32Array, count: number): ReadonlyArray<number> => {
  const rows = new Float64Array(count)
  for (const of of classes) rows[of]!++
  return Array.from(rows, (own) => (own === 0 ? 1 : classes.length / (count * own)))
}

/** Rows without a label for each row with it: what makes both sides count alike. 1 for a label that no row has, or all have. */
const positiveWeights = (values: Float32Array, count: number): ReadonlyArray<number> => {
  const rows = values.length / count
  return Array.from(positives(values, count), (own) => (own === 0 || own === rows ? 1 : (rows - own) / own))
}

/**
 * Where a new head for several labels begins: the logits at which each label is predicted as often as the training rows have it, the
 * constants of least loss (half a row is added to either side, so that a label of no row has a finite one). From biases of 0 a training
 * on many rare labels first teaches every row the same answer, through weights that blocks and labels share, and may stay there.
 * @returns [labels]; undefined for other tasks, whose targets are balanced about 0 already
 */
export const ratesBias = (targets: Targets, { objective }: TrainingObjective): Float32Array | undefined => {
  if (targets.kind !== "several" || objective.kind !== "binary_cross_entropy") return undefined
  const { labels, values } = targets
  const rows = values.length / labels
  const own = positives(values, labels)
  return Float32Array.from(own, (held, label) =>
    Math.log(((held + 0.5) * (objective.pos_weight?.[label] ?? 1)) / (rows - held + 0.5))
  )
}

/** How many rows have each label: [labels] of [rows, labels]. */
const positives = (values: Float32Array, labels: number): Float64Array => {
  const own = new Float64Array(labels)
  values.forEach((value, at) => (own[at % labels]! += value))
  return own
}

/** Mean and standard deviation (of the sample as it is); a constant target keeps its unit. */
const scaleOf = (values: Float64Array): Scale => {
  const mean = values.reduce((sum, value) => sum + value / values.length, 0)
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2 / values.length, 0)
  return { mean, sd: variance > 0 ? Math.sqrt(variance) : 1 }
}

/** The loss of guessing evenly, or the mean: nats, or the square of the targets' unit. */
export const chanceLoss = ({ kind }: Targets, labels: ReadonlyArray<string>, scale: Scale | null): number => {
  if (kind === "value") return (scale?.sd ?? 1) ** 2
  return Math.log(kind === "classes" ? labels.length : 2)
}

/** Targets in the unit that is trained. */
export const scaled = (targets: Targets, scale: Scale | null): Targets =>
  scale === null || targets.kind !== "value"
    ? targets
    : { kind: "value", values: targets.values.map((value) => (value - scale.mean) / scale.sd) }

/** A regression's head between the unit of the targets and the one that is trained; other tensors as they are. */
export const toTrainedUnit = (name: string, values: Float32Array, scale: Scale | null): Float32Array => {
  if (scale === null) return values
  if (name === "classifier.weight") return values.map((value) => value / scale.sd)
  return name === "classifier.bias" ? values.map((value) => (value - scale.mean) / scale.sd) : values
}

/** The way back. */
export const toTargetUnit = (name: string, values: Float32Array, scale: Scale | null): Float32Array => {
  if (scale === null) return values
  if (name === "classifier.weight") return values.map((value) => value * scale.sd)
  return name === "classifier.bias" ? values.map((value) => value * scale.sd + scale.mean) : values
}
