import { type StageContext, StageError } from "@hone/core/Stage"
import { type BertConfig, parseBertConfig } from "@hone/nn"
import { initialParameters } from "@hone/nn/network/Network"
import { Effect } from "effect"
import type { ModelManifest } from "../artifacts/manifest.ts"
import { readModel } from "../artifacts/model.ts"
import { attempt } from "../attempt.ts"
import { epochBatches } from "../tensors/batches.ts"
import { readTokens } from "../tensors/tokens.ts"
import { sizedParams } from "./batchSize.ts"
import { sentenceRows } from "./documents.ts"
import { noRows } from "./labelled.ts"
import { isOfBlocks, maskedProgram, ownName } from "./maskedProgram.ts"
import { maskedRows, maskedValidation, plainRows, type UnmaskedRows } from "./maskedRows.ts"
import { maskedCount, type MaskVocabulary } from "./masking.ts"
import { maskVocabulary } from "./maskVocabulary.ts"
import type { TrainParams } from "./params.ts"
import type { Prepared } from "./prepared.ts"
import { trainingPlan } from "./schedule.ts"

/** Rows to be masked, and a sentence on those that cannot be. */
interface Maskable {
  readonly rows: UnmaskedRows
  readonly warnings: ReadonlyArray<string>
}

/**
 * Continued pre-training: guesses masked tokens, and with `next_sentence` whether one text goes on from another. The heads that do so
 * are those of the model where it brings them, else new ones from the seed; they flow on with the encoder.
 */
export const prepareMasked = Effect.fnUntraced(function* (context: StageContext) {
  const given = context.params as TrainParams
  const model = yield* attempt(() => readModel(context.inputs["model"]!, context.blobPath))
  const { config, network, program } = maskedProgram(given, parseBertConfig(model.manifest.config), model.manifest)
  if (!program.trainable.some(isOfBlocks)) return yield* nothingTrains
  const vocabulary = yield* attempt(() => maskVocabulary(context.inputs["tokenizer"]!))
  const rowsAt = readMaskable(context, config, vocabulary, model.manifest.tokenizer)
  const train = yield* rowsAt("train")
  if (train.rows.rowIds.length === 0) return yield* noRows
  const held = context.inputs["validation"] === undefined ? undefined : yield* rowsAt("validation")
  const masking = { vocabulary, probability: given.mlm_probability, wholeWords: given.whole_word_masking }
  const masked = (length: number) => maskedCount(length, given.mlm_probability)
  const params = yield* sizedParams(given, program, train.rows.lengths, masked)
  const known = new Set(model.tensors.map(({ name }) => name))
  const missing = program.parameters.filter(({ name }) => !known.has(ownName(name)))
  const fresh = initialParameters(network, missing, context.seed)
  if (missing.length > 0) context.log(`new from the seed: ${missing.map(({ name }) => name).join(", ")}`)
  const manifest: ModelManifest = { ...model.manifest, task: null, head: null }
  const prepared: Prepared = {
    params,
    model,
    manifest,
    program,
    phases: [{ from: 0, program: () => program, begins: "" }],
    train: maskedRows(train.rows, config, masking, context.seed),
    validation:
      held === undefined || held.rows.rowIds.length === 0 ? undefined : maskedValidation(held.rows, config, masking),
    plan: trainingPlan(params, epochBatches(train.rows.lengths, { ...params, seed: context.seed, epoch: 0 }).length),
    lossUnit: 1,
    chance: Math.log(config.vocab_size) + (given.next_sentence ? Math.LN2 : 0),
    weights: new Map(program.parameters.map(({ name }) => [name, fresh.get(name) ?? model.read(ownName(name))])),
    written: (name, values) => [ownName(name), values],
    dropped: model.tensors.flatMap(({ name }) => (name.startsWith("classifier.") ? [name] : [])),
    warnings: [
      ...train.warnings,
      ...(held === undefined
        ? ["no validation rows: nothing stops the training early, and the last weights are kept"]
        : [])
    ]
  }
  return prepared
})

const readMaskable = (
  context: StageContext,
  config: BertConfig,
  vocabulary: MaskVocabulary,
  tokenizer: string | null
) =>
  Effect.fnUntraced(function* (port: "train" | "validation"): Effect.fn.Return<Maskable, StageError> {
    const { document, next_sentence, pair_length } = context.params as TrainParams
    const input = context.inputs[port]!
    const tokens = yield* readTokens(port, input, { config, tokenizer })
    if (!next_sentence) {
      const rows = plainRows(tokens, vocabulary)
      const leftOut = tokens.rowIds.length - rows.rowIds.length
      const warnings = leftOut === 0 ? [] : [`${leftOut} rows have no token that could be masked: left out`]
      return { rows, warnings }
    }
    // Not what tokenize was told, which is in no key: rows that it did not cut are the same whatever it was.
    const max_length = Math.min(config.max_position_embeddings, pair_length)
    const { leftOut, rows } = yield* sentenceRows(port, tokens, { config, vocabulary, document, max_length })
    const what = document === undefined ? "rows have one sentence alone" : "documents have one row alone"
    return { rows, warnings: leftOut === 0 ? [] : [`${leftOut} ${what}: left out`] }
  })

const nothingTrains = new StageError({
  code: "nothing_trains",
  message: "every block of the model is frozen: nothing would learn but the heads that guess",
  hint: "connect base.model itself, or freeze with strategy: full or partial"
})
