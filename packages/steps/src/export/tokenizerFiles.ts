import type { JsonObject } from "@hone/core/Json"
import type { InputArtifact } from "@hone/core/Stage"
import { binaries, readTable, strings } from "../arrow/reader.ts"
import { bytesFile, type FolderFile, jsonFile } from "./files.ts"

/** The files of a tokenizer artifact by name. */
export const readTokenizerFiles = (artifact: {
  readonly path: string
  readonly blob: string
}): ReadonlyMap<string, Uint8Array> => {
  const table = readTable(artifact)
  const bytes = binaries(table, "bytes")
  return new Map(strings(table, "file").map((name, row) => [name, bytes[row]!]))
}

/**
 * The tokenizer's files as they came, and those that transformers wants besides and the base did not bring: what a
 * tokenizer_config.json must say follows from tokenizer.json.
 */
export const tokenizerFiles = (artifact: InputArtifact): ReadonlyArray<FolderFile> => {
  const files = readTokenizerFiles(artifact)
  const special = specialTokens(JSON.parse(Buffer.from(files.get("tokenizer.json")!).toString("utf8")) as JsonObject)
  const longest = artifact.facts["model_max_length"]
  const own = {
    ...special,
    ...(typeof longest === "number" ? { model_max_length: longest } : {}),
    // Pairs are told apart by token types, which transformers leaves out unless asked for.
    model_input_names: ["input_ids", "token_type_ids", "attention_mask"],
    // Takes tokenizer.json as it is: a BERT class would set up normalization from arguments of its own.
    tokenizer_class: "PreTrainedTokenizerFast"
  }
  return [
    ...[...files].map(([name, bytes]) => bytesFile(name, bytes)),
    ...(files.has("special_tokens_map.json") ? [] : [jsonFile("special_tokens_map.json", special)]),
    ...(files.has("tokenizer_config.json") ? [] : [jsonFile("tokenizer_config.json", own)])
  ]
}

/** How the roles of special tokens are written by the BERT family, and by those that came after it. */
const spellings: Readonly<Record<string, ReadonlyArray<string>>> = {
  cls_token: ["[CLS]", "<s>"],
  mask_token: ["[MASK]", "<mask>"],
  pad_token: ["[PAD]", "<pad>"],
  sep_token: ["[SEP]", "</s>"],
  unk_token: ["[UNK]", "<unk>"]
}

/** The tokens of tokenizer.json that have a role, found by their spelling among those it marks as special. */
const specialTokens = (tokenizer: JsonObject): Record<string, string> => {
  const added = (Array.isArray(tokenizer["added_tokens"]) ? tokenizer["added_tokens"] : []) as ReadonlyArray<JsonObject>
  const special = new Set(added.filter((token) => token["special"] === true).map((token) => token["content"]))
  return Object.fromEntries(
    Object.entries(spellings).flatMap(([role, names]) => {
      const name = names.find((candidate) => special.has(candidate))
      return name === undefined ? [] : [[role, name]]
    })
  )
}
