import { readFile, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { isRecord, type Json, type JsonObject } from "@hone/core/Json"
import { type OutputArtifact, StageError } from "@hone/core/Stage"
import { Effect } from "effect"
import type { BertConfig } from "@hone/nn/models/bert/config"
import { binary, utf8 } from "../arrow/columns.ts"
import { writeTable } from "../arrow/writer.ts"
import { attempt } from "../attempt.ts"

/** Files of a Hugging Face folder that say how text becomes ids. Only the first must be there. */
const tokenizerFiles = [
  "tokenizer.json",
  "added_tokens.json",
  "special_tokens_map.json",
  "tokenizer_config.json",
  "vocab.txt"
] as const

/** Reads the tokenizer's files in the order of their names. Fails where there is no tokenizer.json, or one of them is too large. */
export const readTokenizer = Effect.fnUntraced(function* (folder: string, spec: string) {
  const present = yield* Effect.promise(() => readdir(folder))
  if (!present.includes("tokenizer.json")) {
    return yield* new StageError({
      code: "no_tokenizer",
      message: `${spec} has no tokenizer.json`,
      hint: "save the tokenizer in the fast format into that folder: AutoTokenizer.from_pretrained(...).save_pretrained(folder)"
    })
  }
  const names = tokenizerFiles.filter((name) => present.includes(name)).sort()
  for (const name of names) {
    const { size } = yield* Effect.promise(() => stat(join(folder, name)))
    if (size > LARGEST_FILE) return yield* badTokenizer(`${name} has ${size} bytes, and at most 64 MiB are read`)
  }
  const files = yield* Effect.promise(() => Promise.all(names.map((name) => readFile(join(folder, name)))))
  return new Map(names.map((name, index) => [name as string, files[index]!]))
})

/** Bytes of one of a tokenizer's files: twice the largest that is known, Gemma's. What is larger is none, and would take gigabytes to parse. */
const LARGEST_FILE = 64 << 20

const badTokenizer = (problem: string): StageError =>
  new StageError({
    code: "bad_tokenizer",
    message: `tokenizer.json cannot be used: ${problem}`,
    hint: "save it in the fast format: AutoTokenizer.from_pretrained(...).save_pretrained(folder)"
  })

/** What a file states; nothing where it is absent, or no object. */
const parse = (bytes: Uint8Array | undefined): JsonObject => {
  try {
    const stated = JSON.parse(Buffer.from(bytes ?? []).toString("utf8")) as Json
    return isRecord(stated) ? stated : {}
  } catch {
    return {}
  }
}

/** Ids by token (BPE, WordPiece, WordLevel) or in the order of a list (Unigram). */
const idsOf = (vocabulary: Json | undefined): Iterable<Json> => {
  if (Array.isArray(vocabulary)) return vocabulary.keys()
  return isRecord(vocabulary) ? Object.values(vocabulary) : []
}

/** One more than the largest id that the tokenizer gives: its vocabulary, and tokens added behind it. Throws StageError `bad_tokenizer`. */
const vocabularySize = (bytes: Uint8Array): number => {
  let tokenizer: Json
  try {
    tokenizer = JSON.parse(Buffer.from(bytes).toString("utf8")) as Json
  } catch (error) {
    throw badTokenizer((error as Error).message)
  }
  if (!isRecord(tokenizer) || !isRecord(tokenizer["model"])) throw badTokenizer("it has no model")
  const given = tokenizer["added_tokens"]
  const added = (Array.isArray(given) ? given : []).map((token: Json) =>
    isRecord(token) ? (token["id"] ?? null) : null
  )
  let size = 0
  for (const ids of [idsOf(tokenizer["model"]["vocab"]), added])
    for (const id of ids) {
      if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0)
        throw badTokenizer(`a token has the id ${JSON.stringify(id)}`)
      size = Math.max(size, id + 1)
    }
  if (size === 0) throw badTokenizer("it has no vocabulary")
  return size
}

/**
 * The longest row that the model takes, special tokens included: what tokenizer_config.json says, but never more than there are
 * positions. (Slow tokenizers write 1e30 for "unlimited".) Truncation fixed inside tokenizer.json is a default of whoever saved
 * it, not a limit of the model, and does not count.
 */
const maximalLength = (config: BertConfig, tokenizerConfig: JsonObject): number => {
  const stated = tokenizerConfig["model_max_length"]
  const positions = config.max_position_embeddings
  return typeof stated === "number" && stated > 0 ? Math.min(stated, positions) : positions
}

/** Writes the tokenizer artifact. Fails where tokenizer.json is none, and where it gives ids that the model has no embedding for. */
export const writeTokenizer = Effect.fnUntraced(function* (
  folder: string,
  files: ReadonlyMap<string, Uint8Array>,
  config: BertConfig
): Effect.fn.Return<OutputArtifact, StageError> {
  const vocabulary_size = yield* attempt(() => vocabularySize(files.get("tokenizer.json")!))
  if (vocabulary_size > config.vocab_size) {
    return yield* new StageError({
      code: "vocabulary_mismatch",
      message: `the tokenizer gives ids up to ${vocabulary_size - 1}, and the model has embeddings for ${config.vocab_size}`,
      hint: "take the tokenizer that belongs to these weights"
    })
  }
  const facts = {
    vocabulary_size,
    pad_token_id: config.pad_token_id,
    model_max_length: maximalLength(config, parse(files.get("tokenizer_config.json")))
  }
  // Content, too: the limit is the model's as much as the files', and `tokenize` cuts rows by it where `max_length` is left out.
  const columns = { file: utf8([...files.keys()]), bytes: binary([...files.values()]) }
  return writeTable(folder, "tokenizer.arrow", columns, { facts, contentMetadata: facts })
})
