import { semantic } from "@hone/core/Params"
import { Schema } from "effect"

export const truncations = ["head", "tail", "head_tail", "drop", "fail"] as const

export const TokenizeParams = Schema.Struct({
  max_length: semantic(Schema.Int.check(Schema.isGreaterThan(2)), {
    description: "Tokens a row has at most, special ones included. Absent: the longest that the model takes.",
    optional: true
  }),
  truncate: semantic(Schema.Literals(truncations), {
    description:
      "What becomes of longer rows: keep the head, the tail, or a quarter of the room from the head and the rest from the tail (head_tail); drop the row, or fail.",
    default: "head",
    source: "truncation=True of Hugging Face's tokenizers keeps the head"
  }),
  allow_empty: semantic(Schema.Boolean, {
    description: "Whether a row may have no token beside the special ones. If not, such a row fails the step.",
    default: false
  })
})
export type TokenizeParams = typeof TokenizeParams.Type
