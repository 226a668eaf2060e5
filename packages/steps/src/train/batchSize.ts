import { StageError } from "@hone/core/Stage"
import { type TrainingProgram, memoryOf } from "@hone/nn"
import { Effect } from "effect"
import { paddedLength } from "../tensors/batches.ts"
import type { TrainParams } from "./params.ts"

/** Params in which `batch_size: auto` has become a number. */
export type SizedParams = Omit<TrainParams, "batch_size"> & { readonly batch_size: number }

/** What may be chosen, the largest first: Devlin et al. 2019 (appendix A.3) found 16 and 32 to do best. */
const SIZES = [32, 16, 8, 4, 2, 1] as const
/** Of `memory_budget`, where the file states none. */
const DEFAULT_BUDGET_MIB = 4096
const MIB = 1024 ** 2

/** The function of a program that a batch goes through. */
export const passOf = (program: TrainingProgram): "accumulate" | "train" =>
  "accumulate" in program.functions ? "accumulate" : "train"

/** Bytes that a training in batches of so many rows of this length is predicted to take. From the graph alone: the same on every machine. */
export const predictedBytes = (
  program: TrainingProgram,
  batch: number,
  length: number,
  masked?: MaskedTokens
): number => {
  const guessed = masked === undefined ? {} : { masked: batch * masked(length) }
  return memoryOf(program, passOf(program), { batch, length, ...guessed }).total
}

/** The largest batch size that is predicted to fit into a budget with rows of this length; undefined where not even one row does. */
export const fittingSize = (
  program: TrainingProgram,
  length: number,
  { memory_budget = DEFAULT_BUDGET_MIB }: Pick<TrainParams, "memory_budget">,
  masked?: MaskedTokens
): number | undefined => SIZES.find((size) => predictedBytes(program, size, length, masked) <= memory_budget * MIB)

/** How many tokens of a row are masked, for a program that guesses them: of each the scores of all words are held. */
type MaskedTokens = (length: number) => number

/**
 * Settles `batch_size: auto`: the largest size that is predicted to fit into the stated budget with the longest of the rows. What
 * memory is free does not count, or one key would stand for other trainings on other machines.
 * Fails by StageError `memory_budget`.
 */
export const sizedParams = (
  { batch_size, ...params }: TrainParams,
  program: TrainingProgram,
  lengths: Int32Array,
  masked?: MaskedTokens
): Effect.Effect<SizedParams, StageError> => {
  if (batch_size !== "auto") return Effect.succeed({ ...params, batch_size })
  const length = paddedLength([lengths.reduce((most, of) => Math.max(most, of), 1)])
  const fitting = fittingSize(program, length, params, masked)
  if (fitting !== undefined) return Effect.succeed({ ...params, batch_size: fitting })
  const needed = Math.ceil(predictedBytes(program, 1, length, masked) / MIB)
  return Effect.fail(
    new StageError({
      code: "memory_budget",
      message: `one row of ${length} tokens is predicted to need ${needed} MiB, and memory_budget is ${params.memory_budget ?? DEFAULT_BUDGET_MIB} MiB`,
      hint: `write a memory_budget of ${needed} or more, freeze more blocks, or a smaller max_length in tokenize`,
      param: "memory_budget"
    })
  )
}
