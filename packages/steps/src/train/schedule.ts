import { schedules } from "@hone/nn"
import { horizonEpochs, type TrainParams } from "./params.ts"

/** How long a training is, in optimizer steps, and its learning rate at each. */
export interface TrainingPlan {
  readonly stepsPerEpoch: number
  readonly totalSteps: number
  readonly warmupSteps: number
  /** @param step optimizer steps done before, from 0 */
  readonly learningRate: (step: number) => number
}

/** @param batches in an epoch; the last optimizer step of an epoch takes what batches are left */
export const trainingPlan = (params: TrainParams, batches: number): TrainingPlan => {
  const stepsPerEpoch = Math.ceil(batches / params.gradient_accumulation_steps)
  // Rounded up as transformers does. A hair less, so that 0.1 * 30 epochs' steps is not one step more for its last bit.
  const steps = (epochs: number) => Math.max(1, Math.ceil(epochs * stepsPerEpoch - 1e-9))
  const totalSteps = steps(params.epochs)
  const horizonSteps = steps(horizonEpochs(params) ?? params.epochs)
  const warmupSteps = params.lr_scheduler_type === "constant" ? 0 : Math.ceil(params.warmup_ratio * horizonSteps - 1e-9)
  const factor = schedules[params.lr_scheduler_type]
  return {
    stepsPerEpoch,
    totalSteps,
    warmupSteps,
    learningRate: (step) => params.learning_rate * factor(step, horizonSteps, warmupSteps)
  }
}
