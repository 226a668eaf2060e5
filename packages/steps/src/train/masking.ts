import { generator, shuffle } from "../tensors/batches.ts"

/** What masking knows of a tokenizer. */
export interface MaskVocabulary {
  readonly mask: number
  /** In front of a row, and behind each of its texts. */
  readonly cls: number
  readonly sep: number
  /** Tokens that end a sentence. */
  readonly enders: ReadonlySet<number>
  /** Quotes and brackets that belong to the sentence before them. */
  readonly closers: ReadonlySet<number>
  /** Ids that are never masked and never put in: [CLS], [SEP], padding, the mask itself. */
  readonly special: ReadonlySet<number>
  /** Whether a token goes on a word that a token before it began. */
  readonly continues: (id: number) => boolean
  /** Ids from 0 to below this. */
  readonly size: number
}

/** What masking alone reads of it. */
export type MaskableVocabulary = Pick<MaskVocabulary, "continues" | "mask" | "size" | "special">

export interface MaskingOptions {
  readonly probability: number
  readonly wholeWords: boolean
}

export interface MaskedRow {
  /** The row's ids with some of them replaced. */
  readonly ids: Int32Array
  /** Places of the tokens that are to be guessed, ascending. */
  readonly places: ReadonlyArray<number>
}

/** How many tokens of a row can be masked. */
export const maskable = (ids: Int32Array, { special }: Pick<MaskVocabulary, "special">): number =>
  ids.filter((id) => !special.has(id)).length

/** Tokens to guess of a row with so many that can be: their share, rounded, at least one. */
export const maskedCount = (tokens: number, probability: number): number =>
  Math.max(1, Math.round(tokens * probability))

/**
 * Masks a row: words (or tokens) in a random order, as long as they fit into the share; of their tokens 80 % become the mask, 10 % a
 * random token, 10 % stay. A function of the row's ids, the options and the seed.
 *
 * Source: Devlin et al. 2019, section 3.1, and BERT's `create_masked_lm_predictions`.
 */
export const maskRow = (
  ids: Int32Array,
  vocabulary: MaskableVocabulary,
  { probability, wholeWords }: MaskingOptions,
  seed: number
): MaskedRow => {
  const random = generator(seed)
  const words = shuffle(wordsOf(ids, vocabulary, wholeWords), random)
  const most = maskedCount(maskable(ids, vocabulary), probability)
  const places: Array<number> = []
  for (const word of words) if (places.length + word.length <= most) places.push(...word)
  // Every word longer than the share: one of them all the same, or the row would teach nothing.
  if (places.length === 0 && words.length > 0) places.push(...words[0]!)
  places.sort((a, b) => a - b)
  const masked = ids.slice()
  for (const place of places) masked[place] = replacement(ids[place]!, vocabulary, random)
  return { ids: masked, places }
}

const wordsOf = (
  ids: Int32Array,
  { continues, special }: MaskableVocabulary,
  wholeWords: boolean
): Array<ReadonlyArray<number>> => {
  const words: Array<Array<number>> = []
  ids.forEach((id, place) => {
    if (special.has(id)) return
    const last = words.at(-1)
    if (wholeWords && continues(id) && last?.at(-1) === place - 1) last.push(place)
    else words.push([place])
  })
  return words
}

const replacement = (id: number, { mask, size, special }: MaskableVocabulary, random: () => number): number => {
  const draw = random()
  if (draw < 0.8) return mask
  if (draw >= 0.9) return id
  for (;;) {
    const other = Math.floor(random() * size)
    if (!special.has(other)) return other
  }
}

/** A seed for each row and epoch, unlike those of neighbours. */
export const maskSeed = (seed: number, epoch: number, row: number): number =>
  (seed ^ Math.imul(epoch + 1, 0x9e3779b1) ^ Math.imul(row + 1, 0x85ebca6b)) >>> 0
