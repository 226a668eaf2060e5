import { semantic } from "@hone/core/Params"
import { Schema } from "effect"

const fraction = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0), Schema.isLessThan(1))
const share = Schema.Union([fraction, Schema.Struct({ count: Schema.Int.check(Schema.isGreaterThan(0)) })])

/** A share of the rows: a fraction in [0, 1), or so many rows. */
export type Share = typeof share.Type

export const SplitParams = Schema.Struct({
  validation: semantic(share, {
    description: "Rows to choose the best weights by: a fraction from 0 to 1, or { count: rows }.",
    default: 0
  }),
  test: semantic(share, {
    description: "Rows to report on, which training never sees: a fraction from 0 to 1, or { count: rows }.",
    default: 0
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
      "What becomes of texts that differ only in case, spacing or punctuation from one on another side. drop removes them from train, then from validation. Equal texts always fall on one side, unless group_by parts them.",
    default: "fail"
  }),
  seed: semantic(Schema.Int, { description: "Another seed than the pipeline's.", optional: true })
})
export type SplitParams = typeof SplitParams.Type
