import { type InputArtifact, type StageContext, StageError } from "@hone/core/Stage"
import { type BertConfig, parseBertConfig } from "@hone/nn"
import { Effect } from "effect"
import type { Head } from "../artifacts/manifest.ts"
import { type Model, readModel } from "../artifacts/model.ts"
import { attempt } from "../attempt.ts"
import { predict } from "../evaluate/predict.ts"
import { readTokenizerFiles } from "../export/tokenizerFiles.ts"
import { stageEngine, type TimedEngine } from "../tensors/engine.ts"
import { tokenFeeds } from "../tensors/feeds.ts"
import { targetKindOfTask } from "../tensors/outputs.ts"
import { fit } from "../tokenize/fit.ts"
import type { TokenizeParams } from "../tokenize/params.ts"
import { loadTokenizer, type TextTokenizer } from "../tokenize/TextTokenizer.ts"

/** How texts become the ids that the model was trained on. */
export interface Tokenizing {
  /** Tokens a row has at most, special ones included. */
  readonly max_length: number
  readonly truncate: TokenizeParams["truncate"]
  readonly allow_empty: boolean
}

/** What became of a text: `cut` was predicted from a part; `empty` and `too_long` (under truncate: drop) have no prediction. */
export type Fate = "whole" | "cut" | "empty" | "too_long"

export interface PredictedTexts {
  readonly fates: ReadonlyArray<Fate>
  /** For each text its class probabilities, float32 [labels]; null where there is no prediction. */
  readonly scores: ReadonlyArray<Float32Array | null>
}

export interface Predictor {
  readonly labels: ReadonlyArray<string>
  /** Fails by StageError `too_long` under truncate: fail. */
  readonly predict: (texts: ReadonlyArray<string | null>) => Effect.Effect<PredictedTexts, StageError>
}

export interface PredictorOptions {
  readonly model: InputArtifact
  readonly tokenizer: InputArtifact
  readonly tokenizing: Tokenizing
  readonly engine: StageContext["engine"]
  readonly blobPath: StageContext["blobPath"]
  /** Rows in a forward pass. */
  readonly batch_size: number
}

/**
 * A tuned model at work on texts, by the code that tokenizes and evaluates in a pipeline. Fails by StageError: `no_head`,
 * `tokenizer_mismatch`, `engine_unavailable`, and as the readers of artifacts do.
 */
export const openPredictor = Effect.fnUntraced(function* (options: PredictorOptions) {
  const model = yield* attempt(() => readModel(options.model, options.blobPath))
  const head = model.manifest.head
  if (head === null) return yield* noHead
  if (model.manifest.tokenizer !== null && model.manifest.tokenizer !== options.tokenizer.content)
    return yield* otherTokenizer
  const config = parseBertConfig(model.manifest.config)
  const texts = yield* attempt(() => loadTokenizer(readTokenizerFiles(options.tokenizer).get("tokenizer.json")!))
  const engine = yield* stageEngine(options.engine)
  const work: Work = { ...options, config, engine, head, opened: model, texts }
  const predictor: Predictor = { labels: head.labels, predict: (texts) => predictTexts(work, texts) }
  return predictor
})

const noHead = new StageError({
  code: "no_head",
  message: "the model has no head: it cannot predict by itself",
  hint: "name a train step, or an evaluate step of a tuned model"
})

const otherTokenizer = new StageError({
  code: "tokenizer_mismatch",
  message: "the pipeline's rows were made by another tokenizer than the model's",
  hint: "connect tokenize's `tokenizer` port to the `base` step that the model comes from"
})

interface Work extends Omit<PredictorOptions, "model" | "tokenizer" | "engine"> {
  readonly opened: Model
  readonly texts: TextTokenizer
  readonly head: Head
  readonly config: BertConfig
  readonly engine: TimedEngine
}

const predictTexts = Effect.fnUntraced(function* (work: Work, texts: ReadonlyArray<string | null>) {
  const { fates, inputIds } = yield* attempt(() => encode(work, texts))
  const kept = inputIds.flatMap((ids) => ids ?? [])
  const all = yield* scoresOf(work, kept)
  const width = work.head.labels.length
  let row = 0
  const scores = inputIds.map((ids) => {
    if (ids === null) return null
    const start = row++ * width
    return all.subarray(start, start + width)
  })
  return { fates, scores } satisfies PredictedTexts
})

/** float32 [rows, labels] */
const scoresOf = (work: Work, inputIds: ReadonlyArray<Int32Array>): Effect.Effect<Float32Array, StageError> => {
  if (inputIds.length === 0) return Effect.succeed(new Float32Array(0))
  const lengths = Int32Array.from(inputIds, (ids) => ids.length)
  return predict({
    model: work.opened,
    head: work.head,
    kind: targetKindOfTask(work.opened.manifest.task),
    config: work.config,
    engine: work.engine,
    lengths,
    feeds: tokenFeeds({ inputIds, lengths }, work.config.pad_token_id),
    cut: undefined,
    batchSize: work.batch_size,
    done: () => {}
  })
}

const isBlank = (text: string | null): boolean => text === null || text.trim() === ""

/** The ids of each text, cut as the pipeline cuts them; null where there is nothing to predict from. */
const encode = async ({ texts: tokenizer, tokenizing }: Work, texts: ReadonlyArray<string | null>) => {
  const { allow_empty, max_length, truncate } = tokenizing
  const contents = await tokenizer.encode(texts.map((text) => text ?? ""))
  const fates: Array<Fate> = []
  const inputIds = contents.map((content, row) => {
    const isEmpty = allow_empty ? texts[row] === null : isBlank(texts[row]!) || content.length === 0
    const fitted = isEmpty ? undefined : fit(content, tokenizer.special, max_length, truncate)
    if (fitted === undefined && !isEmpty && truncate === "fail") throw tooLong(row, max_length)
    fates.push(isEmpty ? "empty" : fitted === undefined ? "too_long" : fitted.truncated ? "cut" : "whole")
    return fitted?.ids ?? null
  })
  return { fates, inputIds }
}

const tooLong = (row: number, max_length: number): StageError =>
  new StageError({
    code: "too_long",
    message: `text ${row + 1} of those read together has more than ${max_length} tokens, and the pipeline's tokenize step says truncate: fail`,
    hint: "shorten the text, or train with truncate: head_tail"
  })
