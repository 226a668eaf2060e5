import type { TargetKind } from "../tensors/outputs.ts"
import type { TrainParams } from "./params.ts"

/** The params that shape the loss. */
export type LossParams = Pick<TrainParams, "class_weights" | "focal_gamma" | "label_smoothing" | "sampling">

/** Why a loss does not fit a task; undefined where it does. */
export const lossFault = (
  { class_weights, focal_gamma, label_smoothing, sampling }: LossParams,
  kind: TargetKind
): { readonly message: string; readonly hint: string } | undefined => {
  if (kind !== "classes" && (label_smoothing > 0 || focal_gamma > 0)) {
    const name = label_smoothing > 0 ? "label_smoothing" : "focal_gamma"
    return { message: `${name} is for rows of one class each`, hint: `leave ${name} out` }
  }
  if (kind !== "classes" && sampling === "balanced")
    return { message: "sampling: balanced is for rows of one class each", hint: "leave sampling out" }
  if (kind === "value" && class_weights !== undefined)
    return { message: "class_weights is for labels, and these are numbers", hint: "leave class_weights out" }
  if (label_smoothing > 0 && focal_gamma > 0)
    return { message: "label_smoothing and focal_gamma exclude each other", hint: "leave one of them out" }
  return undefined
}
