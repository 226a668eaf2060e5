import { Schema } from "effect"

/** A step as written, before its kind is looked up: `with` is decoded by the kind's own Schema in the second stage. */
export const EnvelopeStep = Schema.Struct({
  uses: Schema.String.annotate({ description: "the kind of step: `hone steps` lists them" }),
  in: Schema.optionalKey(
    Schema.Record(Schema.String, Schema.String).annotate({
      description: "where each input comes from: `step`, or `step.output`"
    })
  ),
  with: Schema.optionalKey(
    Schema.Record(Schema.String, Schema.Unknown).annotate({ description: "the params: `hone steps KIND` lists them" })
  )
})

/** The top level of a pipeline file: the first stage of decoding. */
export const Envelope = Schema.Struct({
  name: Schema.NonEmptyString.annotate({ description: "what the pipeline is called on reports" }),
  seed: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4294967295 })).annotate({
      description: "the root of all randomness, 0 to 4294967295 (default 0)"
    })
  ),
  params: Schema.optionalKey(
    Schema.Record(Schema.String, Schema.Unknown).annotate({
      description: "values that the steps take by ${params.NAME} and `--set params.NAME=...` changes"
    })
  ),
  steps: Schema.Record(Schema.String, EnvelopeStep).annotate({ description: "the steps by name; their order does not matter" })
})
export type Envelope = typeof Envelope.Type

export const envelopeKeys = ["name", "seed", "params", "steps"] as const

export const envelopeNotes: Readonly<Record<string, string>> = {
  name: "what the pipeline is called on reports",
  seed: "the root of all randomness, an integer from 0 to 4294967295",
  params: "a map of values that steps take by ${params.NAME}",
  steps: "a map from a step's name to `{ uses, in, with }`"
}

export const stepKeys = ["uses", "in", "with"] as const

export const stepNotes: Readonly<Record<string, string>> = {
  uses: "the kind of step: `hone steps` lists them",
  in: "a map from an input port to the step (or `step.output`) it comes from",
  with: "a map of the step's params: `hone steps KIND` lists them"
}

/** Words that `${...}` and instances use: no step may take one of them for its name. */
export const reservedNames = ["params", "env", "matrix", "sweep", "steps"] as const
