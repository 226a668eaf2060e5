import { generator } from "../tensors/batches.ts"

/** Consecutive segments (sentences, lines) of one document, two or more: what a pair is made of. */
export interface Passage {
  /** Which document it is of. */
  readonly document: number
  /** Token ids of each segment, special ones left out. */
  readonly segments: ReadonlyArray<Int32Array>
}

/** Two texts as BERT is pre-trained on them: [CLS] first [SEP] second [SEP]. */
export interface SentencePair {
  readonly ids: Int32Array
  /** 0 for the first text, 1 for the second, special tokens with the text in front of them. */
  readonly types: Int32Array
  /** 0 where the second text goes on from the first, 1 where it is of another document: transformers' `next_sentence_label`. */
  readonly label: 0 | 1
}

export interface PairSpecials {
  readonly cls: number
  readonly sep: number
}

/** Special tokens of a pair. */
export const PAIR_SPECIALS = 3

const tokensOf = (segments: ReadonlyArray<Int32Array>): number =>
  segments.reduce((total, { length }) => total + length, 0)

/**
 * Passages of documents: segments one after another until they fill a row, the last passage of a document as long as it comes out. A
 * segment that is left alone goes with the passage before it; a document of one segment gives none.
 *
 * @param documents segments of each, in their order
 * @param room tokens that a row has beside the special ones
 */
export const passagesOf = (documents: ReadonlyArray<ReadonlyArray<Int32Array>>, room: number): ReadonlyArray<Passage> =>
  documents.flatMap((segments, document) => {
    const passages: Array<Array<Int32Array>> = []
    let open: Array<Int32Array> = []
    for (const segment of segments) {
      open.push(segment)
      if (open.length < 2 || tokensOf(open) < room) continue
      passages.push(open)
      open = []
    }
    if (open.length > 1) passages.push(open)
    else passages.at(-1)?.push(...open)
    return passages.map((own) => ({ document, segments: own }))
  })

/** Tokens of the pairs that a passage makes, at most. */
export const pairLength = ({ segments }: Passage, room: number): number =>
  Math.min(room, tokensOf(segments)) + PAIR_SPECIALS

/**
 * Draws a pair from a passage: cut at random between two of its segments, and in half of the draws what follows is replaced by
 * about as much of another document. A function of its arguments alone.
 *
 * Source: Devlin et al. 2019, appendix A.2, and BERT's `create_instances_from_document`.
 *
 * @param passages of two documents or more
 */
export const drawPair = (
  passages: ReadonlyArray<Passage>,
  at: number,
  room: number,
  { cls, sep }: PairSpecials,
  seed: number
): SentencePair => {
  const random = generator(seed)
  const below = (bound: number) => Math.floor(random() * bound)
  const { document, segments } = passages[at]!
  const cut = 1 + below(segments.length - 1)
  const follows = segments.slice(cut)
  const label = random() < 0.5 ? 0 : 1
  const second = label === 0 ? follows : elsewhere(passages, document, tokensOf(follows), below)
  const [a, b] = fitted(joined(segments.slice(0, cut)), joined(second), room)
  return {
    ids: Int32Array.of(cls, ...a, sep, ...b, sep),
    types: Int32Array.from({ length: a.length + b.length + PAIR_SPECIALS }, (_, place) =>
      place < a.length + 2 ? 0 : 1
    ),
    label
  }
}

/** Whole segments of another document, until they are as long as what they stand for: from a random one on that is followed by so much. */
const elsewhere = (
  passages: ReadonlyArray<Passage>,
  document: number,
  length: number,
  below: (bound: number) => number
): ReadonlyArray<Int32Array> => {
  let other = passages[below(passages.length)]!
  while (other.document === document) other = passages[below(passages.length)]!
  const { segments } = other
  let last = segments.length - 1
  while (last > 0 && tokensOf(segments.slice(last)) < length) last--
  const from = below(last + 1)
  let to = from + 1
  while (to < segments.length && tokensOf(segments.slice(from, to)) < length) to++
  return segments.slice(from, to)
}

const joined = (segments: ReadonlyArray<Int32Array>): Int32Array => Int32Array.from(segments.flatMap((ids) => [...ids]))

/** The longer text loses tokens at its end until both fit. */
const fitted = (a: Int32Array, b: Int32Array, room: number): readonly [Int32Array, Int32Array] => {
  let [first, second] = [a.length, b.length]
  while (first + second > room) {
    if (first > second) first--
    else second--
  }
  return [a.subarray(0, first), b.subarray(0, second)]
}

/**
 * Sentences of a row: a segment ends behind tokens that end sentences, with the quotes and brackets that close behind them. What is
 * left without an end is one more.
 */
export const sentencesOf = (
  ids: Int32Array,
  { closers, enders }: { readonly enders: ReadonlySet<number>; readonly closers: ReadonlySet<number> }
): ReadonlyArray<Int32Array> => {
  const sentences: Array<Int32Array> = []
  let from = 0
  let ended = false
  ids.forEach((id, place) => {
    if (ended && !enders.has(id) && !closers.has(id)) {
      sentences.push(ids.subarray(from, place))
      from = place
      ended = false
    }
    ended ||= enders.has(id)
  })
  if (from < ids.length) sentences.push(ids.subarray(from))
  return sentences
}
