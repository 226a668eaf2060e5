import { StageError } from "@hone/core/Stage"
import { type TrainingProgram, costsOf } from "@hone/nn"
import { Effect } from "effect"
import { elements } from "../artifacts/manifest.ts"
import { paddedLength } from "../tensors/batches.ts"
import type { TrainParams } from "./params.ts"

/** Params in which `batch_size: auto` has become a number. */
export type SizedParams = Omit<TrainParams, "batch_size"> & { readonly batch_size: number }

/** What may be chosen, the largest first: Devlin et al. 2019 (appendix A.3) found 16 and 32 to do best. */
const SIZES = [32, 16, 8, 4, 2, 1] as const
/** Of `memory_budget`, where the file states none. */
export const DEFAULT_BUDGET_MIB = 4096
const MIB = 1024 ** 2

/**
 * Bytes that training is predicted to need: everything that the program keeps (weights, moments, averages, sums of gradients), and the
 * most that a pass over so many rows of this length holds at once. From the graph alone: the same on every machine.
 */
export const predictedBytes = (program: TrainingProgram, batch: number, length: number): number => {
  const kept = [...program.graph.variables.values()].reduce((sum, { shape }) => sum + 4 * elements(shape), 0)
  const pass = "accumulate" in program.functions ? "accumulate" : "train"
  return kept + costsOf(program, pass, { batch, length }).peakBytes
}

/**
 * Settles `batch_size: auto`: the largest size that is predicted to fit into the stated budget with the longest of the rows. What
 * memory is free does not count, or one key would stand for other trainings on other machines.
 * Fails by StageError `memory_budget`.
 */
export const sizedParams = (
  { batch_size, ...params }: TrainParams,
  program: TrainingProgram,
  lengths: Int32Array
): Effect.Effect<SizedParams, StageError> => {
  if (batch_size !== "auto") return Effect.succeed({ ...params, batch_size })
  const budget = params.memory_budget ?? DEFAULT_BUDGET_MIB
  const length = paddedLength([lengths.reduce((most, of) => Math.max(most, of), 1)])
  const fitting = SIZES.find((size) => predictedBytes(program, size, length) <= budget * MIB)
  if (fitting !== undefined) return Effect.succeed({ ...params, batch_size: fitting })
  const needed = Math.ceil(predictedBytes(program, 1, length) / MIB)
  return Effect.fail(
    new StageError({
      code: "memory_budget",
      message: `one row of ${length} tokens is predicted to need ${needed} MiB, and memory_budget is ${budget} MiB`,
      hint: `write a memory_budget of ${needed} or more, freeze more blocks, or a smaller max_length in tokenize`
    })
  )
}
