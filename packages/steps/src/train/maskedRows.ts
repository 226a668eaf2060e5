import type { BertConfig, Feeds } from "@hone/nn"
import { tokenFeeds } from "../tensors/feeds.ts"
import type { Tokens } from "../tensors/tokens.ts"
import { maskable, type MaskedRow, type MaskingOptions, maskRow, maskSeed, type MaskVocabulary } from "./masking.ts"
import { rightLogits, type TrainingRows, type ValidationRows } from "./rows.ts"
import { drawPair, pairLength, type PairSpecials, type Passage } from "./sentencePairs.ts"

/** Rows as they are before anything is masked: the same in each epoch, or drawn anew as masks are. */
export interface UnmaskedRows {
  readonly rowIds: ReadonlyArray<string>
  /** [rows] tokens of each, at most */
  readonly lengths: Int32Array
  readonly draw: (row: number, seed: number) => Unmasked
  /** Whether each is a pair of texts, of which is to be told whether the second goes on from the first. */
  readonly next_sentence: boolean
}

interface Unmasked {
  readonly ids: Int32Array
  readonly types: Int32Array
  /** Of a pair: 0 where the second text goes on from the first, else 1. */
  readonly label?: 0 | 1
}

export type Masking = MaskingOptions & { readonly vocabulary: MaskVocabulary }

/** The rows that have something to mask, as they are. */
export const plainRows = (tokens: Tokens, vocabulary: MaskVocabulary): UnmaskedRows => {
  const kept = tokens.rowIds.flatMap((_, row) => (maskable(tokens.inputIds[row]!, vocabulary) > 0 ? [row] : []))
  const types = kept.map((row) => tokens.tokenTypeIds?.[row] ?? new Int32Array(tokens.lengths[row]!))
  return {
    rowIds: kept.map((row) => tokens.rowIds[row]!),
    lengths: Int32Array.from(kept, (row) => tokens.lengths[row]!),
    draw: (row) => ({ ids: tokens.inputIds[kept[row]!]!, types: types[row]! }),
    next_sentence: false
  }
}

/** A row for each passage, a pair of texts drawn from it. */
export const pairRows = (
  passages: ReadonlyArray<Passage>,
  rowIds: ReadonlyArray<string>,
  room: number,
  specials: PairSpecials
): UnmaskedRows => ({
  rowIds,
  lengths: Int32Array.from(passages, (passage) => pairLength(passage, room)),
  draw: (row, seed) => drawPair(passages, row, room, specials, seed),
  next_sentence: true
})

/** A row of a batch: what is fed, and what is to be guessed. */
interface Drawn extends Unmasked {
  readonly masked: MaskedRow
}

const drawn = (rows: UnmaskedRows, { vocabulary, ...options }: Masking, row: number, seed: number): Drawn => {
  // Another stream than the masks', which begin with the same seed.
  const unmasked = rows.draw(row, (seed ^ 0x5bd1e995) >>> 0)
  return { ...unmasked, masked: maskRow(unmasked.ids, vocabulary, options, seed) }
}

/** The name of the further head of the network, as its feeds have it. */
const NEXT_SENTENCE = "next_sentence"

/** Rows whose pairs and masks are drawn anew in each epoch. */
export const maskedRows = (rows: UnmaskedRows, config: BertConfig, masking: Masking, seed: number): TrainingRows => {
  const of = (row: number, epoch: number) => drawn(rows, masking, row, maskSeed(seed, epoch, row))
  return {
    rowIds: rows.rowIds,
    lengths: rows.lengths,
    feeds: (batch, epoch) =>
      feedsOf(
        config,
        batch.map((row) => of(row, epoch))
      ),
    weight: (batch, epoch) => batch.reduce((total, row) => total + of(row, epoch).masked.places.length, 0),
    further: rows.next_sentence ? NEXT_SENTENCE : undefined
  }
}

/** The pairs and masks of validation rows are the same in every evaluation and for every seed: losses compare. */
export const maskedValidation = (rows: UnmaskedRows, config: BertConfig, masking: Masking): ValidationRows => {
  const fixed = rows.rowIds.map((_, row) => drawn(rows, masking, row, maskSeed(0, 0, row)))
  const of = (batch: ReadonlyArray<number>) => batch.map((row) => fixed[row]!)
  return {
    rowIds: rows.rowIds,
    lengths: rows.lengths,
    count: fixed.reduce((total, { masked }) => total + masked.places.length, 0),
    feeds: (batch) => feedsOf(config, of(batch)),
    right: (batch, logits) => rightLogits(logits, guessedOf(of(batch))),
    further: rows.next_sentence ? NEXT_SENTENCE : undefined
  }
}

/** The tokens that stood where something is to be guessed. */
const guessedOf = (batch: ReadonlyArray<Drawn>): Int32Array =>
  Int32Array.from(batch.flatMap(({ ids, masked }) => masked.places.map((place) => ids[place]!)))

/** Masked ids, where in the batch the masked tokens stand, and which tokens they were; of pairs what the second text is. */
const feedsOf = (config: BertConfig, batch: ReadonlyArray<Drawn>): Feeds => {
  const tokens = {
    inputIds: batch.map(({ masked }) => masked.ids),
    lengths: Int32Array.from(batch, ({ ids }) => ids.length),
    tokenTypeIds: batch.map(({ types }) => types)
  }
  const feeds = tokenFeeds(tokens, config.pad_token_id)(batch.map((_, at) => at))
  const [, length] = (feeds["input_ids"] as { readonly shape: ReadonlyArray<number> }).shape
  const positions = batch.flatMap(({ masked }, at) => masked.places.map((place) => at * length! + place))
  const labels = batch.flatMap(({ label }) => label ?? [])
  return {
    ...feeds,
    positions: Int32Array.from(positions),
    labels: guessedOf(batch),
    ...(labels.length === 0 ? {} : { [`labels_${NEXT_SENTENCE}`]: Int32Array.from(labels) })
  }
}
