import { StageError } from "@hone/core/Stage"
import { Tokenizer } from "tokenizers"
import type { PairTokens, SpecialTokens } from "./fit.ts"

/** A tokenizer.json at work: texts to ids without special tokens, and the special tokens it sets around a text and a pair. */
export interface TextTokenizer {
  readonly special: SpecialTokens
  readonly pair: PairTokens
  readonly encode: (texts: ReadonlyArray<string>) => Promise<ReadonlyArray<ReadonlyArray<number>>>
}

/**
 * Loads a tokenizer.json. Its own truncation and padding are turned off: they are defaults of whoever saved it, and would cut rows
 * unseen. Fails by StageError `bad_tokenizer` where the library does not take the file.
 */
export const loadTokenizer = async (json: Uint8Array): Promise<TextTokenizer> => {
  const tokenizer = parse(json)
  return {
    special: await specialTokens(tokenizer),
    pair: await pairTokens(tokenizer),
    encode: async (texts) =>
      (await tokenizer.encodeBatch([...texts], { addSpecialTokens: false })).map((encoding) => encoding.getIds())
  }
}

const parse = (json: Uint8Array): Tokenizer => {
  try {
    const settings = JSON.parse(Buffer.from(json).toString("utf8")) as Record<string, unknown>
    return Tokenizer.fromString(JSON.stringify({ ...settings, truncation: null, padding: null }))
  } catch (error) {
    throw new StageError({
      code: "bad_tokenizer",
      message: `tokenizer.json cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      hint: "save it in the fast format: AutoTokenizer.from_pretrained(...).save_pretrained(folder)"
    })
  }
}

/** Found by what the post-processor sets around a probe. */
const specialTokens = async (tokenizer: Tokenizer): Promise<SpecialTokens> => {
  const encoding = await tokenizer.encode("a")
  const ids = encoding.getIds()
  const mask = encoding.getSpecialTokensMask()
  const first = mask.indexOf(0)
  const last = mask.lastIndexOf(0)
  return first < 0 ? { before: ids, after: [] } : { before: ids.slice(0, first), after: ids.slice(last + 1) }
}

/** Found by what the post-processor sets around, and between, two probes, and how it types them. */
const pairTokens = async (tokenizer: Tokenizer): Promise<PairTokens> => {
  const encoding = await tokenizer.encode("a", "a")
  const [ids, types, sequences] = [encoding.getIds(), encoding.getTypeIds(), encoding.getSequenceIds()]
  const isOf = (sequence: number) => (id: number | null | undefined) => id === sequence
  const ends = { a: sequences.findLastIndex(isOf(0)), b: sequences.findLastIndex(isOf(1)) }
  const starts = { a: sequences.findIndex(isOf(0)), b: sequences.findIndex(isOf(1)) }
  const slice = (start: number, end?: number) => ({ ids: ids.slice(start, end), types: types.slice(start, end) })
  // A tokenizer that knows no "a" has nothing to tell by: a pair then is two texts without anything between them.
  if (starts.a < 0 || starts.b < 0) return { before: slice(0), middle: slice(0, 0), after: slice(0, 0), types: [0, 0] }
  return {
    before: slice(0, starts.a),
    middle: slice(ends.a + 1, starts.b),
    after: slice(ends.b + 1),
    types: [types[starts.a]!, types[starts.b]!]
  }
}
