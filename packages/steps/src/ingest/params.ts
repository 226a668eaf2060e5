import { operational, semantic } from "@hone/core/Params"
import { Schema } from "effect"
import { formats } from "./format.ts"

const count = Schema.Int.check(Schema.isGreaterThan(0))

export const IngestParams = Schema.Struct({
  // The text and the format enter the key as the source's own digest and format, so neither is semantic here.
  source: operational(Schema.NonEmptyString, {
    description:
      "Where the rows come from: a file counted from the pipeline's folder, or npm:package/file. Its bytes enter the key, never this text."
  }),
  format: operational(Schema.Literals(formats), {
    description: "How the file is read; auto tells by its first bytes, never by its name.",
    default: "auto"
  }),
  task: semantic(Schema.Literals(["text-classification"]), {
    description: "What the rows are for: text-classification has a text and a label from a set of names."
  }),
  columns: semantic(
    Schema.Struct({
      text: Schema.NonEmptyString.annotate({ description: "Name of the text column in the source." }),
      label: Schema.NonEmptyString.annotate({ description: "Name of the label column in the source." })
    }),
    { description: "Which columns of the source are the text and the label." }
  ),
  labels: semantic(Schema.Array(Schema.NonEmptyString), {
    description:
      "The label names, in the order wanted. A row with any other label is an error. Absent: the names found, sorted.",
    optional: true
  }),
  sample: semantic(count, {
    description: "Keep this many rows: drawn by seed, each label in proportion. Absent: all rows.",
    optional: true
  }),
  empties: semantic(Schema.Literals(["drop", "fail", "keep"]), {
    description:
      "What becomes of rows whose text is empty or blank. Rows without a label are dropped, or fail with fail.",
    default: "drop"
  }),
  duplicates: semantic(Schema.Literals(["keep", "drop"]), {
    description:
      "What becomes of further rows with an equal text: counted either way; drop keeps the first of each text.",
    default: "keep"
  }),
  conflicts: semantic(Schema.Literals(["keep", "drop", "fail"]), {
    description:
      "What becomes of texts that occur with different labels: counted either way; drop removes every row of such a text.",
    default: "keep"
  }),
  seed: semantic(Schema.Int, {
    description: "Another seed than the pipeline's for drawing the sample and its order.",
    optional: true
  })
})
export type IngestParams = typeof IngestParams.Type
