import type { BertConfig } from "@hone/nn"
import { placeOf } from "../artifacts/manifest.ts"
import type { TrainParams } from "./params.ts"

/** What the learning rate of each tensor is multiplied with: the head's own rate, and less the further a block is from the head. */
export const rateOf = (
  {
    head_learning_rate,
    layer_decay,
    learning_rate
  }: Pick<TrainParams, "head_learning_rate" | "layer_decay" | "learning_rate">,
  { num_hidden_layers }: Pick<BertConfig, "num_hidden_layers">
) => {
  const ofHead = (head_learning_rate ?? learning_rate) / learning_rate
  return (name: string): number => {
    const place = placeOf(name)
    if (place === "embeddings") return layer_decay ** num_hidden_layers
    return typeof place === "number" ? layer_decay ** (num_hidden_layers - 1 - place) : ofHead
  }
}
