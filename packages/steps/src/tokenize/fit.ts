import type { TokenizeParams } from "./params.ts"

/** The ids of one row as the model reads them. */
export interface FittedRow {
  readonly ids: Int32Array
  /** Of a pair: which text each token belongs to, as the model counts them. */
  readonly types?: Int32Array
  readonly truncated: boolean
}

/** What a tokenizer puts around a single text: `[CLS]` and `[SEP]` for BERT. */
export interface SpecialTokens {
  readonly before: ReadonlyArray<number>
  readonly after: ReadonlyArray<number>
}

interface Piece {
  readonly ids: ReadonlyArray<number>
  readonly types: ReadonlyArray<number>
}

/** What a tokenizer puts around and between two texts: `[CLS]`, `[SEP]`, `[SEP]` for BERT, whose second text has type 1. */
export interface PairTokens {
  readonly before: Piece
  readonly middle: Piece
  readonly after: Piece
  /** Of the tokens of the first text and of the second. */
  readonly types: readonly [number, number]
}

/** The parts of a text that is too long: how many tokens of its head and of its tail are kept. */
export const cut = (
  room: number,
  truncate: "head" | "tail" | "head_tail"
): { readonly head: number; readonly tail: number } => {
  if (truncate === "head") return { head: room, tail: 0 }
  if (truncate === "tail") return { head: 0, tail: room }
  const head = Math.floor(room / 4)
  return { head, tail: room - head }
}

/**
 * Sets special tokens around the ids of a text, cutting the text, never them, to `max_length` in all. Undefined where the row is
 * too long and `truncate` is `drop` or `fail`.
 */
export const fit = (
  content: ReadonlyArray<number>,
  { after, before }: SpecialTokens,
  max_length: number,
  truncate: TokenizeParams["truncate"]
): FittedRow | undefined => {
  const room = max_length - before.length - after.length
  if (content.length <= room) return { ids: Int32Array.from([...before, ...content, ...after]), truncated: false }
  if (truncate === "drop" || truncate === "fail") return undefined
  return { ids: Int32Array.from([...before, ...kept(content, room, truncate), ...after]), truncated: true }
}

/**
 * How many tokens of each text of a pair are kept: the longer one is cut first, and what is left is halved, the odd one going to
 * the second. Source: `longest_first` of Hugging Face's tokenizers.
 */
export const pairRooms = (first: number, second: number, room: number): readonly [number, number] => {
  if (first + second <= room) return [first, second]
  const shorter = Math.min(first, second)
  const half = Math.floor(room / 2)
  const [less, more] = shorter <= half ? [shorter, room - shorter] : [half, room - half]
  return first <= second ? [less, more] : [more, less]
}

/** Sets special tokens around the ids of two texts, cutting as {@link fit} does, each text for itself within its room. */
export const fitPair = (
  [first, second]: readonly [ReadonlyArray<number>, ReadonlyArray<number>],
  { after, before, middle, types }: PairTokens,
  max_length: number,
  truncate: TokenizeParams["truncate"]
): FittedRow | undefined => {
  const room = max_length - before.ids.length - middle.ids.length - after.ids.length
  const truncated = first.length + second.length > room
  if (truncated && (truncate === "drop" || truncate === "fail")) return undefined
  const rooms = pairRooms(first.length, second.length, room)
  const [a, b] = [first, second].map((content, at) => kept(content, rooms[at]!, truncate)) as [
    Piece["ids"],
    Piece["ids"]
  ]
  const typesOf = (ids: Piece["ids"], type: number) => Array.from(ids, () => type)
  return {
    ids: Int32Array.from([...before.ids, ...a, ...middle.ids, ...b, ...after.ids]),
    types: Int32Array.from([
      ...before.types,
      ...typesOf(a, types[0]),
      ...middle.types,
      ...typesOf(b, types[1]),
      ...after.types
    ]),
    truncated
  }
}

const kept = (
  content: ReadonlyArray<number>,
  room: number,
  truncate: TokenizeParams["truncate"]
): ReadonlyArray<number> => {
  if (content.length <= room) return content
  const { head, tail } = cut(room, truncate as "head" | "tail" | "head_tail")
  return [...content.slice(0, head), ...content.slice(content.length - tail)]
}
