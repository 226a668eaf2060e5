import type { TokenizeParams } from "./params.ts"

/** The ids of one row as the model reads them. */
export interface FittedRow {
  readonly ids: Int32Array
  readonly truncated: boolean
}

/** What a tokenizer puts around a single text: `[CLS]` and `[SEP]` for BERT. */
export interface SpecialTokens {
  readonly before: ReadonlyArray<number>
  readonly after: ReadonlyArray<number>
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
  const { head, tail } = cut(room, truncate)
  const kept = [...content.slice(0, head), ...content.slice(content.length - tail)]
  return { ids: Int32Array.from([...before, ...kept, ...after]), truncated: true }
}
