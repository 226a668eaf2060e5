import { basename } from "node:path"
import type { Facts, SourceHead } from "@hone/core/Step"
import { configText, isUnsupported, readConfig } from "./config.ts"

const missing = (path: string): Facts => ({
  problem: `there is no config.json in ${basename(path)}`,
  hint: "name a folder in Hugging Face's layout: config.json, model.safetensors, tokenizer.json"
})

const factsOf = (text: string): Facts => {
  const read = readConfig(text)
  if (isUnsupported(read)) return { ...read }
  return {
    family: read.family,
    hidden_size: read.bert.hidden_size,
    blocks: read.bert.num_hidden_layers,
    vocabulary_size: read.bert.vocab_size,
    head: read.labels !== null,
    pooling: read.pooling,
    config: read.json,
    labels: read.labels
  }
}

/** The head of a model folder: family, widths and labels from config.json. What is wrong with it comes as facts `problem` and `hint`. */
export const peek = async (path: string): Promise<SourceHead> => {
  const text = await configText(path)
  return { facts: text === undefined ? missing(path) : factsOf(text) }
}
