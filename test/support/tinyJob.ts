import { cpSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { tinyTokenizerJson } from "@hone/steps/testing/tokenizers"

const bert = fileURLToPath(new URL("../golden/tiny-families/bert", import.meta.url))

/** Rows of a few words that the tiny tokenizer knows, told apart by one of them. */
const tinyRows = (rows: number): string =>
  [
    "text,label",
    ...Array.from({ length: rows }, (_, row) => {
      const isGood = row % 2 === 0
      const words = ["film", "plot", "the", "a", "was", "and", "very"]
      const some = words.filter((_, at) => ((row * 37) >> at) % 2 === 1).join(" ")
      return `the ${some} was ${isGood ? "good" : "bad"} ${"!".repeat(row % 5)},${isGood ? "pos" : "neg"}`
    })
  ].join("\n")

/** A whole job over a BERT of two layers: it takes a second or two. `train` stands in the params of the training. */
export const tinyJob = (train = "epochs: 2"): string => `name: tiny
seed: 3
steps:
  rows:      { uses: ingest, with: { source: rows.csv, task: text-classification, columns: { text: text, label: label } } }
  base:      { uses: base, with: { model: tiny } }
  tokens:    { uses: tokenize, in: { rows: rows, tokenizer: base.tokenizer }, with: { max_length: 16 } }
  parts:     { uses: split, in: { rows: tokens }, with: { validation: 0.3, test: 0.2, stratify_by: label } }
  trainable: { uses: freeze, in: { model: base.model }, with: { strategy: full } }
  tuned:     { uses: train, in: { model: trainable, train: parts.train, validation: parts.validation }, with: { batch_size: 4, early_stopping: false, ${train} } }
  after:     { uses: evaluate, in: { model: tuned, rows: parts.test } }
`

/** Puts the tiny model, its tokenizer, forty rows and the job into a folder. */
export const writeTinyJob = (folder: string): void => {
  mkdirSync(join(folder, "tiny"), { recursive: true })
  writeFileSync(join(folder, "tiny", "tokenizer.json"), tinyTokenizerJson)
  for (const file of ["config.json", "model.safetensors"]) cpSync(join(bert, file), join(folder, "tiny", file))
  writeFileSync(join(folder, "rows.csv"), tinyRows(40))
  writeFileSync(join(folder, "tiny.yaml"), tinyJob())
}
