import type { Applies, Facts } from "@hone/core/Step"
import { type FeatureCut, featuresBytes, inMegabytes, LARGEST_FEATURES_BYTES } from "../features/stage.ts"
import type { TrainParams } from "./params.ts"

/** Head-only training needs one vector a row; a partly frozen model the hidden states in front of the first block that trains. */
export const cutOf = (params: TrainParams, model: Facts): FeatureCut => {
  const cut = Number(model["frozen_blocks"] ?? 0)
  if (model["strategy"] !== "head") return { cut, pooled: null }
  return { cut, pooled: (params.pooling ?? model["head"] ?? "mean") === "mean" ? "mean" : "cls" }
}

/** Whether keeping the frozen blocks' output is cheaper than computing it in every epoch. */
export const pays = (
  params: TrainParams,
  { model, rows }: { readonly model: Facts; readonly rows: Facts }
): Applies => {
  if (params.objective === "mlm") return { run: false, reason: "masks are drawn anew in each epoch" }
  const cut = cutOf(params, model)
  if (cut.cut === 0) return { run: false, reason: "no block is frozen" }
  const frozen = `${cut.cut === model["blocks"] ? "all" : `${cut.cut} of`} ${model["blocks"]} blocks are frozen`
  const bytes = featuresBytes(cut, model, rows)
  if (cut.pooled !== null)
    return { run: true, reason: `${frozen}: one vector a row, computed once (${inMegabytes(bytes)})` }
  if (params.epochs <= 1) return { run: false, reason: `${frozen}, but one epoch reads them only once` }
  if (bytes > LARGEST_FEATURES_BYTES) {
    return {
      run: false,
      reason: `${frozen}, but their output takes ${inMegabytes(bytes)}: computed in each epoch instead`
    }
  }
  return { run: true, reason: `${frozen} and ${params.epochs} epochs read them: computed once (${inMegabytes(bytes)})` }
}
