import type { ModelShape } from "@hone/core/Port"
import type { Facts, Forecaster, ForecastContext } from "@hone/core/Step"
import { type BertConfig, bertWeights, type TrainingProgram, costsOf, memoryOf, parseBertConfig } from "@hone/nn"
import { elements, frozenBlocksOf, type Pooling, type Strategy } from "../artifacts/manifest.ts"
import { type FeatureCut, featuresBytes } from "../features/stage.ts"
import { paddedLength } from "../tensors/batches.ts"
import { fittingSize, passOf } from "./batchSize.ts"
import { cutOf, pays } from "./frozenPrefix.ts"
import { maskedProgram } from "./maskedProgram.ts"
import { maskedCount } from "./masking.ts"
import type { TrainParams } from "./params.ts"
import { labelledProgram } from "./program.ts"
import { trainingPlan } from "./schedule.ts"

/** Node, Arrow and TensorFlow's libraries in a worker that has not opened a program. Measured: docs/experiments.md, "Predicted memory". */
const PROCESS_BYTES = 380 * 1024 ** 2
/** A head's size hardly counts beside its encoder: where labels are not known yet, it has two. */
const ASSUMED_LABELS = 2

/**
 * What the longest batch of a training will take, from the config, the choices and what is known of the rows: with rows that are not
 * there yet, the longest that may come. Undefined where config or length are not known.
 */
export const forecast: Forecaster = (context: ForecastContext<TrainParams>) => {
  const shape = context.inputs["model"]?.shape
  if (shape === undefined) return undefined
  const config = parseBertConfig(shape.config)
  return context.params.objective === "mlm"
    ? forecastMasked(context, shape, config)
    : forecastLabelled(context, shape, config)
}

const forecastLabelled = (context: ForecastContext<TrainParams>, shape: ModelShape, config: BertConfig) => {
  const { facts, inputs, params } = context
  const rows = { ...facts["train"] }
  const length = longestOf(config, rows["longest"] ?? inputs["train"]?.max_length)
  const model = modelFacts(shape, config)
  const prefix = pays(params, { model, rows }).run ? cutOf(params, model) : undefined
  const costs = programCosts(context, shape, config, prefix, length)
  if (costs === undefined) return undefined
  const { flops_per_step, growth, size } = costs
  const held = prefix === undefined ? 0 : featuresBytes(prefix, model, rows)
  return {
    peak_memory_bytes: PROCESS_BYTES + fileBytes(config) + growth + (Number.isFinite(held) ? held : 0),
    flops_per_step,
    steps: stepsOf(params, size, rows),
    batch: `${size} rows of ${length} tokens`
  }
}

/** Of masked tokens the scores of all words are held, so that an evaluation can take more than a step. */
const forecastMasked = (
  { facts, inputs, params }: ForecastContext<TrainParams>,
  shape: ModelShape,
  config: BertConfig
) => {
  const rows = { ...facts["train"] }
  const pairs = params.next_sentence
  const length = longestOf(config, pairs ? params.pair_length : (rows["longest"] ?? inputs["train"]?.max_length))
  const { program } = maskedProgram(params, config, chosenOf(shape, config))
  const masked = (tokens: number) => maskedCount(tokens, params.mlm_probability)
  const size = params.batch_size === "auto" ? fittingSize(program, length, params, masked) : params.batch_size
  if (size === undefined) return undefined
  const sizesOf = (batch: number) => ({ batch, length, masked: batch * masked(length) })
  const step = memoryOf(program, passOf(program), sizesOf(size)).total
  const evaluation =
    inputs["validation"] === undefined ? 0 : memoryOf(program, "eval", sizesOf(params.eval_batch_size)).total
  return {
    peak_memory_bytes: PROCESS_BYTES + fileBytes(config) + Math.max(step, evaluation),
    flops_per_step: flopsPerStep(program, params, sizesOf(size)),
    // How many pairs rows make is not known before they are read.
    steps: pairs ? null : stepsOf(params, size, rows),
    batch: `${size} ${pairs ? "pairs" : "rows"} of ${length} tokens, ${masked(length)} of each to guess`
  }
}

interface ProgramCosts {
  readonly size: number
  /** Bytes that the program adds to its process. */
  readonly growth: number
  readonly flops_per_step: number
}

/** By all that a program is made from: trials of a sweep mostly differ in what is fed to it, and making one takes up to 0.3 s. */
const knownCosts = new Map<string, ProgramCosts | undefined>()

const programCosts = (
  context: ForecastContext<TrainParams>,
  shape: ModelShape,
  config: BertConfig,
  prefix: FeatureCut | undefined,
  length: number
): ProgramCosts | undefined => {
  const { facts, inputs, params } = context
  const { epochs, head_learning_rate, learning_rate, schedule_epochs, seed, warmup_ratio, ...made } = params
  const rate = (head_learning_rate ?? learning_rate) / learning_rate
  const id = JSON.stringify([made, rate === 1, shape, prefix, length, facts["train"]?.["labels"], inputs["train"]])
  if (!knownCosts.has(id)) {
    const program = programFor(context, shape, config, prefix)
    const size = params.batch_size === "auto" ? fittingSize(program, length, params) : params.batch_size
    const sizes = { batch: size ?? 0, length }
    knownCosts.set(
      id,
      size === undefined
        ? undefined
        : {
            size,
            growth: memoryOf(program, passOf(program), sizes).total,
            flops_per_step: flopsPerStep(program, params, sizes)
          }
    )
  }
  return knownCosts.get(id)
}

/** No row is longer than there are positions. */
const longestOf = (config: BertConfig, known: unknown): number => {
  const most = config.max_position_embeddings
  return Math.min(most, paddedLength([typeof known === "number" ? known : most]))
}

const strategyOf = (shape: ModelShape): Strategy => (shape.strategy ?? "full") as Strategy

const chosenOf = (shape: ModelShape, { num_hidden_layers }: BertConfig) => {
  const strategy = strategyOf(shape)
  return { trainable: { strategy, frozen_blocks: frozenBlocksOf(strategy, num_hidden_layers) } }
}

/** What the model's record will say of it, as far as the frozen prefix hangs on it. */
const modelFacts = (shape: ModelShape, { hidden_size, num_hidden_layers }: BertConfig): Facts => ({
  hidden_size,
  blocks: num_hidden_layers,
  strategy: shape.strategy ?? "full",
  frozen_blocks: frozenBlocksOf(strategyOf(shape), num_hidden_layers),
  head: shape.pooling
})

const programFor = (
  { facts, inputs, params }: ForecastContext<TrainParams>,
  shape: ModelShape,
  config: BertConfig,
  prefix: FeatureCut | undefined
): TrainingProgram => {
  const labels = facts["train"]?.["labels"] ?? inputs["train"]?.columns?.["label"]?.labels
  return labelledProgram({
    params,
    config,
    chosen: chosenOf(shape, config),
    pooling: params.pooling ?? (shape.pooling as Pooling | null) ?? "mean",
    labels: Array.isArray(labels) ? labels.length : ASSUMED_LABELS,
    token_types: prefix === undefined && inputs["train"]?.columns?.["token_type_ids"] !== undefined,
    cut: prefix === undefined ? undefined : prefix.pooled === null ? prefix.cut : "pooled"
  })
}

/** The model's file, of which all is read: it stays beside what the engine holds. */
const fileBytes = (config: BertConfig): number =>
  bertWeights(config).reduce((sum, { shape }) => sum + 4 * elements(shape), 0)

type Sizes = Parameters<typeof costsOf>[2]

const flopsPerStep = (program: TrainingProgram, params: TrainParams, sizes: Sizes): number =>
  "accumulate" in program.functions
    ? params.gradient_accumulation_steps * costsOf(program, "accumulate", sizes).flops +
      costsOf(program, "apply", {}).flops
    : costsOf(program, "train", sizes).flops

const stepsOf = (params: TrainParams, size: number, rows: Facts): number | null => {
  const count = rows["rows"]
  return typeof count === "number" ? trainingPlan(params, Math.ceil(count / size)).totalSteps : null
}
