import {
  type BertConfig,
  classifierProgram,
  type TrainingProgram,
  type Cut,
  defaultAdamW,
  type Objective,
  type Precision
} from "@hone/nn"
import { isTrainable, type ModelManifest, type Pooling } from "../artifacts/manifest.ts"
import type { TrainParams } from "./params.ts"
import { rateOf } from "./rates.ts"

/** What the program of a training on labelled rows hangs on. */
export interface ProgramChoices {
  readonly params: TrainParams
  readonly config: BertConfig
  /** What was chosen to train. */
  readonly chosen: Pick<ModelManifest, "trainable">
  readonly pooling: Pooling
  /** How many there are. */
  readonly labels: number
  readonly objective?: Objective
  readonly token_types: boolean
  /** Where the features that it is fed were cut; undefined for token ids. */
  readonly cut: Cut | undefined
}

/** @param since by name, what trains and the optimizer steps done before it began to; left out, everything from the start */
export const labelledProgram = (
  { chosen, config, cut, labels, objective, params, pooling, token_types }: ProgramChoices,
  since?: ReadonlyMap<string, number>
): TrainingProgram =>
  classifierProgram({
    config,
    head: { pooling, labels, dropout: classifierDropout(params, config) },
    trainable: (name) => isTrainable(chosen, pooling, name) && since?.has(name) !== false,
    cut,
    token_types,
    objective,
    dropout: {
      hidden: params.hidden_dropout ?? config.hidden_dropout_prob,
      attention: params.attention_dropout ?? config.attention_probs_dropout_prob
    },
    optimizer: {
      ...defaultAdamW,
      betas: [params.adam_beta1, params.adam_beta2],
      eps: params.adam_epsilon,
      weight_decay: params.weight_decay,
      rate: rateOf(params, config),
      since
    },
    max_grad_norm: params.max_grad_norm === 0 ? null : params.max_grad_norm,
    accumulation: params.gradient_accumulation_steps > 1,
    averages: params.ema_decay > 0,
    precision: precisionOf(params)
  })

/** As the engine names it. */
export const precisionOf = ({ precision }: Pick<TrainParams, "precision">): Precision =>
  precision === "bf16" ? "bfloat16" : "float32"

export const classifierDropout = (params: TrainParams, config: BertConfig): number =>
  params.classifier_dropout ?? config.classifier_dropout ?? config.hidden_dropout_prob
