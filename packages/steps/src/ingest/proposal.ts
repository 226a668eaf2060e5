import type { IngestParams } from "./params.ts"
import { type Guess, isTrainable, writtenGuess } from "./guess.ts"

const quoted = (text: string): string =>
  /^[\w./-]+$/u.test(text) && !/^[\d.]+$/u.test(text) ? text : JSON.stringify(text)

/** Params that say how a source is read, where it needs them. */
export type Reading = Partial<Pick<IngestParams, "sha256" | "skip_lines" | "encoding">>

/** A pipeline for a source that looks like this: one that runs as it stands, where there is a step that trains on such rows. */
export const proposedPipeline = (spec: string, guess: Guess, reading: Reading): string => {
  const name = spec
    .replace(/[?#].*$/u, "")
    .split("/")
    .at(-1)!
    .replace(/\..*$/u, "")
    .replace(/[^\w-]+/gu, "-")
    .replace(/^-+|-+$/gu, "")
  const said = Object.entries(reading).map(
    ([param, value]) => `, ${param}: ${typeof value === "number" ? value : quoted(value)}`
  )
  const source = `source: ${quoted(spec)}${said.join("")}`
  const head = [
    `name: ${quoted(name === "" ? "rows" : name)}`,
    "seed: 7",
    "",
    "steps:",
    `  rows:      { uses: ingest, with: { ${source}, ${writtenGuess(guess)} } }`
  ]
  return `${[...head, ...training(guess)].join("\n")}\n`
}

const training = (guess: Guess): ReadonlyArray<string> => {
  const base = [
    "  base:      { uses: base, with: { model: minilm-l6 } }",
    "  tokens:    { uses: tokenize, in: { rows: rows, tokenizer: base.tokenizer }, with: { max_length: 128, truncate: head_tail } }"
  ]
  if (guess.task === "unlabelled-text") return base
  if (!isTrainable(guess.task)) return [`  # No kind of step trains on ${guess.task} yet.`]
  const names = guess.task === "text-classification" || guess.task === "pair-classification"
  return [
    ...base,
    `  parts:     { uses: split, in: { rows: tokens }, with: { validation: 0.1, test: 0.2${names ? ", stratify_by: label" : ""}, on_leakage: drop } }`,
    "  trainable: { uses: freeze, in: { model: base.model }, with: { strategy: { partial: { last_blocks: 2 } } } }",
    "  tuned:     { uses: train, in: { model: trainable, train: parts.train, validation: parts.validation }, with: { learning_rate: 2e-4, epochs: 2 } }",
    "  before:    { uses: evaluate, in: { model: trainable, rows: parts.test, fit: parts.train } }",
    "  after:     { uses: evaluate, in: { model: tuned, rows: parts.test } }",
    "  verdict:   { uses: compare-to-base, in: { base: before, tuned: after } }"
  ]
}
