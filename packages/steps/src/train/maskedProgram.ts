import { type BertConfig, defaultAdamW, type TrainingProgram } from "@hone/nn"
import { bertForMaskedLm } from "@hone/nn/models/bert/networks"
import type { Network } from "@hone/nn/network/Network"
import { trainingProgram } from "@hone/nn/network/training"
import { isTrainable, type ModelManifest, placeOf } from "../artifacts/manifest.ts"
import type { TrainParams } from "./params.ts"
import { precisionOf } from "./program.ts"
import { rateOf } from "./rates.ts"

/** The name of an encoder's tensor in a model artifact, which leaves out the task model's prefix. */
export const ownName = (name: string): string => name.replace(/^bert\./, "")
const isHead = (name: string): boolean => name.startsWith("cls.")
/** Of what learns for every later task: neither the heads nor the pooler in front of one of them. */
export const isOfBlocks = (name: string): boolean => !isHead(name) && placeOf(ownName(name)) !== "pooler"

interface MaskedProgram {
  /** With the rates of dropout that the params state. */
  readonly config: BertConfig
  readonly network: Network
  readonly program: TrainingProgram
}

/** The program of continued pre-training. @param chosen what was chosen to train, beside the heads that guess */
export const maskedProgram = (
  params: TrainParams,
  given: BertConfig,
  chosen: Pick<ModelManifest, "trainable">
): MaskedProgram => {
  const config = withDropout(given, params)
  const pooling = params.next_sentence ? "pooler" : "mean"
  const network = bertForMaskedLm(config, { at: "positions", next_sentence: params.next_sentence })
  const program = trainingProgram({
    network,
    trainable: (name) => isHead(name) || isTrainable(chosen, pooling, ownName(name)),
    optimizer: {
      ...defaultAdamW,
      betas: [params.adam_beta1, params.adam_beta2],
      eps: params.adam_epsilon,
      weight_decay: params.weight_decay,
      rate: (name) => rateOf(params, config)(ownName(name))
    },
    max_grad_norm: params.max_grad_norm === 0 ? null : params.max_grad_norm,
    accumulation: params.gradient_accumulation_steps > 1,
    averages: params.ema_decay > 0,
    precision: precisionOf(params)
  })
  return { config, network, program }
}

const withDropout = (config: BertConfig, params: TrainParams): BertConfig => ({
  ...config,
  hidden_dropout_prob: params.hidden_dropout ?? config.hidden_dropout_prob,
  attention_probs_dropout_prob: params.attention_dropout ?? config.attention_probs_dropout_prob
})
