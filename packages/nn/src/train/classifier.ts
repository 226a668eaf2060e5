import type { BertConfig } from "../models/bert/config.ts"
import { bertBlock, bertHead, bertPool } from "../models/bert/bert.ts"
import { bertContext } from "../models/bert/networks.ts"
import {
  blockWeights,
  canonicalName,
  classifierModelWeights,
  embeddingWeights,
  type HeadOptions,
  type WeightSpec
} from "../models/bert/weights.ts"
import { blockOf } from "../network/layers.ts"
import type { Network } from "../network/Network.ts"
import { type TrainingOptions, type TrainingProgram, trainingProgram } from "../network/training.ts"
import type { AdamWOptions } from "./adamw.ts"
import { type Cut, encoderInput } from "./features.ts"

export interface ClassifierOptions extends Omit<TrainingOptions, "network" | "optimizer"> {
  readonly config: BertConfig
  readonly head: HeadOptions
  /** Left out: token ids. Otherwise nothing in front of the cut may train, and its weights are not part of the program. */
  readonly cut?: Cut | undefined
  /** Whether `token_type_ids` are fed; otherwise every token is of type 0. */
  readonly token_types?: boolean | undefined
  /** Default: the config's. Blocks (and embeddings) of which nothing trains never drop out. */
  readonly dropout?: { readonly hidden: number; readonly attention: number } | undefined
  readonly optimizer: AdamWOptions
}

/** AdamW with the values of transformers' Trainer: nothing decays unless asked, biases and norms never. */
export const defaultAdamW: AdamWOptions = {
  kind: "adamw",
  betas: [0.9, 0.999],
  eps: 1e-8,
  weight_decay: 0,
  no_decay: (name) => /(^|\.)bias$|LayerNorm\./.test(name)
}

/**
 * How many blocks at the bottom never change, when the embeddings do not change either; null when they do.
 * These are the numbers a `cut` may have, up to and including the result.
 */
export function frozenBlocks(config: BertConfig, trainable: (name: string) => boolean): number | null {
  const trains = (specs: ReadonlyArray<WeightSpec>) => specs.some(({ name }) => trainable(name))
  if (trains(embeddingWeights(config))) return null
  let block = 0
  while (block < config.num_hidden_layers && !trains(blockWeights(config, block))) block++
  return block
}

/**
 * Builds the program of a BERT classifier. Functions, with B rows of T tokens:
 *
 * - `init_optimizer` {} sets moments (and accumulated gradients) to zero.
 * - `train` {INPUTS, labels int32 [B], count, learning_rate, optimizer_step (from 1), seed int32 [2]} -> {loss [], grad_norm []}.
 * - `eval` {INPUTS, labels} -> {logits [B, labels], losses [B]}; a label of -100 counts nowhere. `predict` {INPUTS} -> {logits}.
 * - `accumulate` {INPUTS, labels, count, seed} -> {loss []}, with `count` the rows of the whole effective batch; then
 *   `apply` {learning_rate, optimizer_step} -> {grad_norm []}.
 * - `gradients` {INPUTS, labels, count, seed} -> {NAME: gradient}.
 *
 * Under another objective labels are float32 [B, labels] or [B], and `count` is what it divides by: see `Objective`.
 *
 * INPUTS are `input_ids` int32 [B, T], or `hidden` float32 [B, T, C] or `pooled` float32 [B, C] after a cut; `attention_mask`
 * int32 [B, T] unless pooled; `token_type_ids` if asked for. `seed` (run, micro-step) is fed only where something drops out.
 */
export function classifierProgram(options: ClassifierOptions): TrainingProgram {
  checkCut(options)
  return trainingProgram({ ...options, network: classifierNetwork(options) })
}

/** A BERT with a head of its own, from wherever it is cut. Its rates of dropout are those of the options. */
function classifierNetwork({ config, cut, dropout, head, token_types }: ClassifierOptions): Network {
  const rates: BertConfig = {
    ...config,
    hidden_dropout_prob: dropout?.hidden ?? config.hidden_dropout_prob,
    attention_probs_dropout_prob: dropout?.attention ?? config.attention_probs_dropout_prob,
    classifier_dropout: head.dropout ?? config.classifier_dropout
  }
  return {
    parameters: classifierModelWeights(config, head),
    canonicalName,
    initializer_range: config.initializer_range,
    forward: (c) => {
      const b = bertContext(c, rates, (name) => name)
      const pooled = () => {
        const from = encoderInput(b, cut as number | undefined, token_types === true)
        let { x } = from
        for (let block = (cut as number | undefined) ?? 0; block < config.num_hidden_layers; block++)
          x = blockOf(c, x, (inner) => bertBlock(b, from.rows, block, inner))
        return bertPool(b, from.rows, head.pooling, x)
      }
      const rows = cut === "pooled" ? c.g.feed("pooled", "float32", ["batch", config.hidden_size]) : pooled()
      return { logits: bertHead(b, head.pooling, rows), labelShape: ["batch"] }
    }
  }
}

function checkCut({ config, cut, trainable }: ClassifierOptions): void {
  if (cut === undefined) return
  const block = cut === "pooled" ? config.num_hidden_layers : cut
  const frozen = frozenBlocks(config, trainable)
  if (frozen === null || block > frozen)
    throw new RangeError(`a cut at ${cut} would hide parameters that train: ${frozen ?? "no"} blocks are frozen`)
}
