import { semantic } from "@hone/core/Params"
import { Schema } from "effect"

const fraction = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0), Schema.isLessThan(1))
const where = Schema.Struct({
  where: Schema.NonEmptyString.annotate({
    description: 'The rows for which it holds, over their columns: lang == "de".'
  })
})
const rows = Schema.Struct({
  rows: Schema.String.check(Schema.isPattern(/^\d*\.\.\d*$/u)).annotate({
    description: "The rows by position, from 0: 0..1000, 1000.., ..500. The end is not taken."
  })
})
const share = Schema.Union([fraction, Schema.Struct({ count: Schema.Int.check(Schema.isGreaterThan(0)) }), where, rows])

/** A part: a fraction in [0, 1), so many rows, or the rows that are named. */
export type Part = typeof share.Type
/** A part whose rows are drawn. */
export type Share = number | { readonly count: number }

export const SplitParams = Schema.Struct({
  validation: semantic(share, {
    description:
      "Rows to choose the best weights by: a fraction from 0 to 1, { count: rows }, { where: expression } or { rows: 0..1000 }. Fractions and counts are of the rows that by, fold, where and rows leave.",
    default: 0
  }),
  test: semantic(share, {
    description: "Rows to report on, which training never sees: as validation is written.",
    default: 0
  }),
  by: semantic(Schema.NonEmptyString, {
    description:
      "A column that says the part of each row: train, validation (valid, val, dev) or test. What validation and test ask for beside it is drawn from its train rows.",
    optional: true
  }),
  folds: semantic(Schema.Int.check(Schema.isGreaterThan(1)), {
    description: "Parts the rows into so many folds of like size, of which fold is the test part.",
    optional: true
  }),
  fold: semantic(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)), {
    description: "Which fold is the test part, from 0: ${matrix.fold}, as a rule.",
    optional: true
  }),
  stratify_by: semantic(Schema.NonEmptyString, {
    description: "A column of names whose shares every part has alike: label, as a rule.",
    optional: true
  }),
  group_by: semantic(Schema.NonEmptyString, {
    description: "A text column whose rows of equal value stay together: an author, a document.",
    optional: true
  }),
  on_leakage: semantic(Schema.Literals(["fail", "drop", "keep"]), {
    description:
      "What becomes of texts that differ only in case, spacing or punctuation from one on another side. drop removes them from train, then from validation. Equal texts always fall on one side, unless group_by, by, where or rows part them.",
    default: "fail"
  }),
  near_duplicates: semantic(Schema.Literals(["count", "drop", "fail", "ignore"]), {
    description:
      "What becomes of texts that share most of their runs of three words with one on another side: counted, dropped as on_leakage drops, refused, or not looked for.",
    default: "count"
  }),
  near_threshold: semantic(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0.5), Schema.isLessThanOrEqualTo(1)), {
    description: "From which share of common runs on (Jaccard, 0.5 to 1) two texts are near duplicates.",
    default: 0.8,
    source:
      "Lee et al. 2022, Deduplicating Training Data Makes Language Models Better (edit similarity and Jaccard 0.8)"
  }),
  seed: semantic(Schema.Int, { description: "Another seed than the pipeline's.", optional: true })
})
export type SplitParams = typeof SplitParams.Type

/** Whether a part's rows are drawn, not named. */
export const isShare = (part: Part): part is Share => typeof part === "number" || "count" in part
