import { type StageContext, StageError } from "@hone/core/Stage"
import { type BertConfig, defaultAdamW, type Feeds, parseBertConfig } from "@hone/nn"
import { bertForMaskedLm } from "@hone/nn/models/bert/networks"
import { initialParameters } from "@hone/nn/network/Network"
import { trainingProgram } from "@hone/nn/network/training"
import { Effect } from "effect"
import { isTrainable, type ModelManifest } from "../artifacts/manifest.ts"
import { readModel } from "../artifacts/model.ts"
import { attempt } from "../attempt.ts"
import { epochBatches } from "../tensors/batches.ts"
import { tokenFeeds } from "../tensors/feeds.ts"
import { readTokens, type Tokens } from "../tensors/tokens.ts"
import type { SizedParams } from "./batchSize.ts"
import { noRows } from "./labelled.ts"
import { maskable, type MaskedRow, type MaskingOptions, maskRow, maskSeed, type MaskVocabulary } from "./masking.ts"
import { maskVocabulary } from "./maskVocabulary.ts"
import type { Prepared } from "./prepared.ts"
import { rateOf } from "./rates.ts"
import { rightLogits, type TrainingRows, type ValidationRows } from "./rows.ts"
import { trainingPlan } from "./schedule.ts"

/** The name of an encoder's tensor in a model artifact, which leaves out the task model's prefix. */
const ownName = (name: string): string => name.replace(/^bert\./, "")
const isHead = (name: string): boolean => name.startsWith("cls.")

/** Continued pre-training: guesses masked tokens. The head that guesses is made anew and not kept: what flows on is the encoder. */
export const prepareMasked = Effect.fnUntraced(function* (context: StageContext) {
  const params = context.params as SizedParams
  const model = yield* attempt(() => readModel(context.inputs["model"]!, context.blobPath))
  const config = withDropout(parseBertConfig(model.manifest.config), params)
  const trains = (name: string) => isHead(name) || isTrainable(model.manifest, "mean", ownName(name))
  const network = bertForMaskedLm(config, { at: "positions" })
  if (!network.parameters.some(({ name }) => !isHead(name) && trains(name))) return yield* nothingTrains
  const vocabulary = yield* attempt(() => maskVocabulary(context.inputs["tokenizer"]!))
  const reads = { config, tokenizer: model.manifest.tokenizer }
  const given = yield* readTokens("train", context.inputs["train"]!, reads)
  const rows = withWords(given, vocabulary)
  if (rows.rowIds.length === 0) return yield* noRows
  const held =
    context.inputs["validation"] === undefined
      ? undefined
      : withWords(yield* readTokens("validation", context.inputs["validation"], reads), vocabulary)
  const masking = { vocabulary, probability: params.mlm_probability, wholeWords: params.whole_word_masking }
  const program = trainingProgram({
    network,
    trainable: trains,
    optimizer: {
      ...defaultAdamW,
      betas: [params.adam_beta1, params.adam_beta2],
      eps: params.adam_epsilon,
      weight_decay: params.weight_decay,
      rate: (name) => rateOf(params, config)(ownName(name))
    },
    max_grad_norm: params.max_grad_norm === 0 ? null : params.max_grad_norm,
    accumulation: params.gradient_accumulation_steps > 1,
    averages: params.ema_decay > 0
  })
  const fresh = initialParameters(
    network,
    program.parameters.filter(({ name }) => isHead(name)),
    context.seed
  )
  const manifest: ModelManifest = { ...model.manifest, task: null, head: null }
  const leftOut = given.rowIds.length - rows.rowIds.length
  const prepared: Prepared = {
    params,
    model,
    manifest,
    program,
    phases: [{ from: 0, program: () => program, begins: "" }],
    train: maskedRows(rows, config, masking, context.seed),
    validation: held === undefined || held.rowIds.length === 0 ? undefined : maskedValidation(held, config, masking),
    plan: trainingPlan(params, epochBatches(rows.lengths, { ...params, seed: context.seed, epoch: 0 }).length),
    lossUnit: 1,
    weights: new Map(program.parameters.map(({ name }) => [name, fresh.get(name) ?? model.read(ownName(name))])),
    written: (name, values) => (isHead(name) ? null : [ownName(name), values]),
    dropped: model.tensors.flatMap(({ name }) => (name.startsWith("classifier.") ? [name] : [])),
    warnings: [
      ...(leftOut === 0 ? [] : [`${leftOut} rows have no token that could be masked: left out`]),
      ...(held === undefined
        ? ["no validation rows: nothing stops the training early, and the last weights are kept"]
        : [])
    ]
  }
  return prepared
})

const nothingTrains = new StageError({
  code: "nothing_trains",
  message: "every block of the model is frozen, and the head that guesses tokens is not kept",
  hint: "connect base.model itself, or freeze with strategy: full or partial"
})

const withDropout = (config: BertConfig, params: SizedParams): BertConfig => ({
  ...config,
  hidden_dropout_prob: params.hidden_dropout ?? config.hidden_dropout_prob,
  attention_probs_dropout_prob: params.attention_dropout ?? config.attention_probs_dropout_prob
})

type MaskedTokens = Pick<Tokens, "inputIds" | "lengths" | "rowIds" | "tokenTypeIds">

/** The rows that have something to mask. */
const withWords = (tokens: Tokens, vocabulary: MaskVocabulary): MaskedTokens => {
  const kept = tokens.rowIds.flatMap((_, row) => (maskable(tokens.inputIds[row]!, vocabulary) > 0 ? [row] : []))
  const types = tokens.tokenTypeIds
  return {
    rowIds: kept.map((row) => tokens.rowIds[row]!),
    inputIds: kept.map((row) => tokens.inputIds[row]!),
    lengths: Int32Array.from(kept, (row) => tokens.lengths[row]!),
    tokenTypeIds: kept.map((row) => types?.[row] ?? new Int32Array(tokens.lengths[row]!))
  }
}

type Masking = MaskingOptions & { readonly vocabulary: MaskVocabulary }

/** Rows whose masks are drawn anew in each epoch. */
const maskedRows = (tokens: MaskedTokens, config: BertConfig, masking: Masking, seed: number): TrainingRows => {
  const masked = (row: number, epoch: number) =>
    maskRow(tokens.inputIds[row]!, masking.vocabulary, masking, maskSeed(seed, epoch, row))
  return {
    rowIds: tokens.rowIds,
    lengths: tokens.lengths,
    feeds: (rows, epoch) =>
      feedsOf(
        tokens,
        config,
        rows,
        rows.map((row) => masked(row, epoch))
      ),
    weight: (rows, epoch) => rows.reduce((total, row) => total + masked(row, epoch).places.length, 0)
  }
}

/** The masks of validation rows are the same in every evaluation and for every seed: losses compare. */
const maskedValidation = (tokens: MaskedTokens, config: BertConfig, masking: Masking): ValidationRows => {
  const masked = tokens.inputIds.map((ids, row) => maskRow(ids, masking.vocabulary, masking, maskSeed(0, 0, row)))
  const of = (rows: ReadonlyArray<number>) => rows.map((row) => masked[row]!)
  return {
    rowIds: tokens.rowIds,
    lengths: tokens.lengths,
    count: masked.reduce((total, { places }) => total + places.length, 0),
    feeds: (rows) => feedsOf(tokens, config, rows, of(rows)),
    right: (rows, logits) => rightLogits(logits, labelsOf(tokens, rows, of(rows)))
  }
}

const labelsOf = (tokens: MaskedTokens, rows: ReadonlyArray<number>, masked: ReadonlyArray<MaskedRow>): Int32Array =>
  Int32Array.from(masked.flatMap(({ places }, at) => places.map((place) => tokens.inputIds[rows[at]!]![place]!)))

/** Masked ids, where in the batch the masked tokens stand, and which tokens they were. */
const feedsOf = (
  tokens: MaskedTokens,
  config: BertConfig,
  rows: ReadonlyArray<number>,
  masked: ReadonlyArray<MaskedRow>
): Feeds => {
  const batch = {
    inputIds: masked.map(({ ids }) => ids),
    lengths: Int32Array.from(rows, (row) => tokens.lengths[row]!),
    tokenTypeIds: rows.map((row) => tokens.tokenTypeIds![row]!)
  }
  const feeds = tokenFeeds(batch, config.pad_token_id)(rows.map((_, at) => at))
  const [, length] = (feeds["input_ids"] as { readonly shape: ReadonlyArray<number> }).shape
  const positions = masked.flatMap(({ places }, at) => places.map((place) => at * length! + place))
  return { ...feeds, positions: Int32Array.from(positions), labels: labelsOf(tokens, rows, masked) }
}
