import { type InputArtifact, type StageContext, StageError } from "@hone/core/Stage"
import { parseBertConfig } from "@hone/nn"
import { Effect } from "effect"
import { readModel } from "../artifacts/model.ts"
import { attempt } from "../attempt.ts"
import type { Thresholds } from "../evaluate/decide.ts"
import { openClassifier } from "../evaluate/predict.ts"
import { readTokenizerFiles } from "../export/tokenizerFiles.ts"
import { stageEngine } from "../tensors/engine.ts"
import { tokenFeeds } from "../tensors/feeds.ts"
import { type TargetKind, targetKindOfTask } from "../tensors/outputs.ts"
import { fit, fitPair, type FittedRow } from "../tokenize/fit.ts"
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

/** What a row is predicted from: its text, or both texts of a pair; null where the row has none. */
export type Texts = ReadonlyArray<string | null>

export interface PredictedTexts {
  readonly fates: ReadonlyArray<Fate>
  /** For each row the probability of each label, or the number of a regression; null where there is no prediction. */
  readonly scores: ReadonlyArray<Float32Array | null>
}

export interface Predictor {
  readonly kind: TargetKind
  readonly labels: ReadonlyArray<string>
  /** From which probability on labels are predicted; undefined where the highest score decides, or a half. */
  readonly thresholds: Thresholds | undefined
  /** Fails by StageError `too_long` under truncate: fail. */
  readonly predict: (rows: ReadonlyArray<Texts>) => Effect.Effect<PredictedTexts, StageError>
}

export interface PredictorOptions {
  readonly model: InputArtifact
  readonly tokenizer: InputArtifact
  readonly tokenizing: Tokenizing
  /** Whether rows are pairs of texts. */
  readonly pairs: boolean
  readonly engine: StageContext["engine"]
  readonly blobPath: StageContext["blobPath"]
  /** Rows in a forward pass. */
  readonly batch_size: number
  /** Thresholds that an evaluation chose. Left out: those that the model brings, if any. */
  readonly thresholds?: Thresholds | undefined
}

/**
 * A tuned model at work on texts until the scope ends, by the code that tokenizes and evaluates in a pipeline. Fails by StageError:
 * `no_head`, `tokenizer_mismatch`, `engine_unavailable`, and as the readers of artifacts do.
 */
export const openPredictor = Effect.fnUntraced(function* (options: PredictorOptions) {
  const model = yield* attempt(() => readModel(options.model, options.blobPath))
  const { head, task, tokenizer } = model.manifest
  if (head === null) return yield* noHead
  if (tokenizer !== null && tokenizer !== options.tokenizer.content) return yield* otherTokenizer
  const config = parseBertConfig(model.manifest.config)
  const texts = yield* attempt(() => loadTokenizer(readTokenizerFiles(options.tokenizer).get("tokenizer.json")!))
  const engine = yield* stageEngine(options.engine)
  const kind = targetKindOfTask(task)
  const classify = yield* openClassifier({
    model,
    head,
    kind,
    config,
    engine,
    cut: undefined,
    tokenTypes: options.pairs
  })
  const predictor: Predictor = {
    kind,
    labels: head.labels,
    thresholds: options.thresholds ?? head.thresholds,
    predict: Effect.fnUntraced(function* (rows) {
      const { fates, fitted } = yield* attempt(() => encode(texts, options.tokenizing, rows))
      const kept = fitted.flatMap((row) => row ?? [])
      const lengths = Int32Array.from(kept, ({ ids }) => ids.length)
      const tokens = {
        inputIds: kept.map(({ ids }) => ids),
        tokenTypeIds: options.pairs ? kept.map(({ types }) => types!) : undefined,
        lengths
      }
      const feeds = tokenFeeds(tokens, config.pad_token_id)
      const scores = yield* classify({ lengths, feeds, batchSize: options.batch_size, done: () => {} })
      return { fates, scores: spread(fitted, scores, head.labels.length) }
    })
  }
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

/** The scores of all rows from those of the rows that were predicted. */
const spread = (fitted: ReadonlyArray<FittedRow | undefined>, scores: Float32Array, width: number) => {
  let at = 0
  return fitted.map((row) => (row === undefined ? null : scores.subarray(at, (at += width))))
}

const isBlank = (text: string | null): boolean => text === null || text.trim() === ""

/** The ids of each row, cut as the pipeline cuts them; undefined where there is nothing to predict from. */
const encode = async (tokenizer: TextTokenizer, tokenizing: Tokenizing, rows: ReadonlyArray<Texts>) => {
  const { allow_empty, max_length, truncate } = tokenizing
  const width = rows[0]?.length ?? 0
  const columns: Array<ReadonlyArray<ReadonlyArray<number>>> = []
  for (let at = 0; at < width; at++) columns.push(await tokenizer.encode(rows.map((texts) => texts[at] ?? "")))
  const fates: Array<Fate> = []
  const fitted = rows.map((texts, row) => {
    const contents = columns.map((column) => column[row]!)
    const isEmpty = texts.some((text, at) =>
      allow_empty ? text === null : isBlank(text) || contents[at]!.length === 0
    )
    const [first, second] = contents
    const fits = isEmpty
      ? undefined
      : second === undefined
        ? fit(first!, tokenizer.special, max_length, truncate)
        : fitPair([first!, second], tokenizer.pair, max_length, truncate)
    if (fits === undefined && !isEmpty && truncate === "fail") throw tooLong(row, max_length)
    fates.push(isEmpty ? "empty" : fits === undefined ? "too_long" : fits.truncated ? "cut" : "whole")
    return fits
  })
  return { fates, fitted }
}

const tooLong = (row: number, max_length: number): StageError =>
  new StageError({
    code: "too_long",
    message: `text ${row + 1} of those read together has more than ${max_length} tokens, and the pipeline's tokenize step says truncate: fail`,
    hint: "shorten the text, or train with truncate: head_tail"
  })
