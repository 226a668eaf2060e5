import type { InputArtifact } from "@hone/core/Stage"
import { binary, utf8 } from "../arrow/columns.ts"
import { writeTable } from "../arrow/writer.ts"
import { type Bench, folderIn, keep } from "./context.ts"

const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
const words = ["good", "bad", "film", "plot", "the", "a", "was", "and", "very", "not", "!", ".", ","]

/** tokenizer.json of a BERT with eighteen words: ids fit the tiny models. */
export const tinyTokenizerJson = JSON.stringify({
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: special.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true
  })),
  normalizer: {
    type: "BertNormalizer",
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true
  },
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: {
    type: "TemplateProcessing",
    single: [
      { SpecialToken: { id: "[CLS]", type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
      { SpecialToken: { id: "[SEP]", type_id: 0 } }
    ],
    pair: [
      { SpecialToken: { id: "[CLS]", type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
      { SpecialToken: { id: "[SEP]", type_id: 0 } },
      { Sequence: { id: "B", type_id: 1 } },
      { SpecialToken: { id: "[SEP]", type_id: 1 } }
    ],
    special_tokens: {
      "[CLS]": { id: "[CLS]", ids: [2], tokens: ["[CLS]"] },
      "[SEP]": { id: "[SEP]", ids: [3], tokens: ["[SEP]"] }
    }
  },
  decoder: { type: "WordPiece", prefix: "##", cleanup: true },
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: Object.fromEntries([...special, ...words].map((word, id) => [word, id]))
  }
})

/** A tokenizer artifact of it, as `base` writes one. */
export const tinyTokenizer = (bench: Bench): InputArtifact => {
  const folder = folderIn(bench, "tiny-tokenizer")
  const output = writeTable(
    folder,
    "tokenizer.arrow",
    { file: utf8(["tokenizer.json"]), bytes: binary([Buffer.from(tinyTokenizerJson)]) },
    { facts: { vocabulary_size: special.length + words.length, pad_token_id: 0, model_max_length: 24 } }
  )
  return keep(bench, folder, output)
}

let written = 0
/** What masking reads of a WordPiece tokenizer: special tokens, words, pieces of words (each sixth), and a full stop as the last. */
export const wordPiecesJson = (size: number, change: Readonly<Record<string, unknown>> = {}): string => {
  const marks = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"]
  const rest = Array.from({ length: size - marks.length - 1 }, (_, at) => (at % 6 === 5 ? `##piece${at}` : `word${at}`))
  return JSON.stringify({
    added_tokens: marks.map((content, id) => ({ id, content, special: true })),
    model: {
      type: "WordPiece",
      vocab: Object.fromEntries([...marks, ...rest, "."].map((token, id) => [token, id]))
    },
    ...change
  })
}

/** A tokenizer artifact of it, as many ids as tiny models have. */
export const wordPieces = (bench: Bench, change: Readonly<Record<string, unknown>> = {}): InputArtifact => {
  const folder = folderIn(bench, `word-pieces-${written++}`)
  const columns = { file: utf8(["tokenizer.json"]), bytes: binary([Buffer.from(wordPiecesJson(40, change))]) }
  return keep(bench, folder, writeTable(folder, "tokenizer.arrow", columns, { facts: {} }))
}
