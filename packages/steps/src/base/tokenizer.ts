import { readFile, readdir } from "node:fs/promises"
import { join } from "node:path"
import type { Json, JsonObject } from "@hone/core/Json"
import { type OutputArtifact, StageError } from "@hone/core/Stage"
import { Effect } from "effect"
import type { BertConfig } from "@hone/nn/models/bert/config"
import { binary, utf8 } from "../arrow/columns.ts"
import { writeTable } from "../arrow/writer.ts"

/** Files of a Hugging Face folder that say how text becomes ids. Only the first must be there. */
const tokenizerFiles = [
  "tokenizer.json",
  "added_tokens.json",
  "special_tokens_map.json",
  "tokenizer_config.json",
  "vocab.txt"
] as const

/** Reads the tokenizer's files in the order of their names. Fails where there is no tokenizer.json or it is no JSON. */
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
  const files = yield* Effect.promise(() => Promise.all(names.map((name) => readFile(join(folder, name)))))
  return new Map(names.map((name, index) => [name as string, files[index]!]))
})

const parse = (bytes: Uint8Array | undefined): JsonObject => {
  try {
    return bytes === undefined ? {} : (JSON.parse(Buffer.from(bytes).toString("utf8")) as JsonObject)
  } catch {
    return {}
  }
}

const sizeOf = (value: Json | undefined): number =>
  Array.isArray(value) ? value.length : typeof value === "object" && value !== null ? Object.keys(value).length : 0

/** One more than the largest id that the tokenizer gives: its vocabulary, and tokens added behind it. */
const vocabularySize = (tokenizer: JsonObject): number => {
  const model = (tokenizer["model"] ?? {}) as JsonObject
  const added = (Array.isArray(tokenizer["added_tokens"]) ? tokenizer["added_tokens"] : []) as ReadonlyArray<JsonObject>
  return added.reduce((size, { id }) => Math.max(size, Number(id) + 1), sizeOf(model["vocab"]))
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

/** Writes the tokenizer artifact. Fails where it gives ids that the model has no embedding for. */
export const writeTokenizer = Effect.fnUntraced(function* (
  folder: string,
  files: ReadonlyMap<string, Uint8Array>,
  config: BertConfig
): Effect.fn.Return<OutputArtifact, StageError> {
  const vocabulary_size = vocabularySize(parse(files.get("tokenizer.json")))
  if (vocabulary_size > config.vocab_size) {
    return yield* new StageError({
      code: "vocabulary_mismatch",
      message: `the tokenizer gives ids up to ${vocabulary_size - 1}, and the model has embeddings for ${config.vocab_size}`,
      hint: "take the tokenizer that belongs to these weights"
    })
  }
  return writeTable(
    folder,
    "tokenizer.arrow",
    { file: utf8([...files.keys()]), bytes: binary([...files.values()]) },
    {
      facts: {
        vocabulary_size,
        pad_token_id: config.pad_token_id,
        model_max_length: maximalLength(config, parse(files.get("tokenizer_config.json")))
      }
    }
  )
})
