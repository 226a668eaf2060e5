import { type InputArtifact, StageError } from "@hone/core/Stage"
import { binaries, readTable, strings } from "../arrow/reader.ts"
import type { MaskVocabulary } from "./masking.ts"

interface TokenizerJson {
  readonly added_tokens?: ReadonlyArray<{ readonly id: number; readonly content: string; readonly special: boolean }>
  readonly model: {
    readonly type?: string
    readonly continuing_subword_prefix?: string | null
    readonly vocab: Readonly<Record<string, number>>
  }
}

const noMask = (message: string): StageError =>
  new StageError({
    code: "no_mask_token",
    message,
    hint: "continued pre-training by masks is for BERT's tokenizers: WordPiece with a [MASK] token"
  })

/** Tokens that end a sentence, and those that may close it behind them. */
const SENTENCE_ENDERS = [".", "!", "?", "\u2026", "\u3002"]
const CLOSERS = ['"', "'", ")", "]", "\u201d", "\u2019"]

const idsOf = (vocab: Readonly<Record<string, number>>, tokens: ReadonlyArray<string>): ReadonlySet<number> =>
  new Set(tokens.flatMap((token) => (Object.hasOwn(vocab, token) ? [vocab[token]!] : [])))

/** Reads what masking needs from a tokenizer artifact. Throws StageError `no_mask_token` for a tokenizer that masks nothing. */
export const maskVocabulary = (artifact: InputArtifact): MaskVocabulary => {
  const table = readTable(artifact)
  const at = strings(table, "file").indexOf("tokenizer.json")
  const json = JSON.parse(Buffer.from(binaries(table, "bytes")[at]!).toString("utf8")) as TokenizerJson
  const { continuing_subword_prefix, type, vocab } = json.model
  if (type !== "WordPiece" || Array.isArray(vocab)) throw noMask(`the tokenizer is of type ${type ?? "unknown"}`)
  const special = new Map(
    (json.added_tokens ?? []).flatMap(({ content, id, special }) => (special ? [[content, id]] : []))
  )
  const mask = special.get("[MASK]")
  if (mask === undefined) throw noMask("the tokenizer has no special token [MASK]")
  const [cls, sep] = [special.get("[CLS]"), special.get("[SEP]")]
  if (cls === undefined || sep === undefined) throw noMask("the tokenizer has no special tokens [CLS] and [SEP]")
  const prefix = continuing_subword_prefix ?? "##"
  const continuing = new Set(Object.entries(vocab).flatMap(([token, id]) => (token.startsWith(prefix) ? [id] : [])))
  return {
    mask,
    cls,
    sep,
    enders: idsOf(vocab, SENTENCE_ENDERS),
    closers: idsOf(vocab, CLOSERS),
    // BERT's vocabularies hold some hundred unused tokens; putting them in would teach nothing, but they are not special.
    special: new Set(special.values()),
    continues: (id) => continuing.has(id),
    size: Object.keys(vocab).length
  }
}
