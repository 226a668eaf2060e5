import { Schema } from "effect"
import { MachineResources, resourcesNote } from "../MachineResources.ts"

const seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4294967295 }))
const anything = Schema.Record(Schema.String, Schema.Unknown)
const scalar = Schema.NullOr(Schema.Union([Schema.String, Schema.Finite, Schema.Boolean]))
const variable = Schema.Struct({
  secret: Schema.optionalKey(
    Schema.Boolean.annotate({
      description:
        "true: its value may not change a result. false: it may be told, and counts as if it stood in the file. Left out: it may change results, and is told to nobody."
    })
  ),
  default: Schema.optionalKey(scalar.annotate({ description: "The value taken where the variable is not set." }))
})

/** What the top-level keys mean: in hints, and in the JSON Schema that editors read. */
export const envelopeNotes = {
  name: "what the pipeline is called on reports",
  seed: "the root of all randomness, an integer from 0 to 4294967295 (default 0)",
  params: "a map of values that steps take by ${params.NAME} and `--set params.NAME=...` changes",
  env: "the environment variables that the file may take by ${env.NAME}: a list of names, or a map from a name to its default or to { secret: true }",
  include: "a file, or a list of files, whose params and steps belong to this pipeline",
  resources: resourcesNote,
  steps: "a map from a step's name to `{ uses, in, with }`",
  sweep: "what `hone sweep` searches: objective, search, space, ... (docs/guide/sweeps.md)"
} as const

/** What the keys of a step mean. */
export const stepNotes = {
  uses: "the kind of step: `hone steps` lists them",
  in: "a map from an input port to the step (or `step.output`) it comes from",
  with: "a map of the step's params: `hone steps KIND` lists them",
  matrix:
    "a map from an axis to its values, taken by ${matrix.AXIS}: one instance of the step for each combination; or a list of combinations"
} as const

/** A step as written, before its kind is looked up: `with` is decoded by the kind's own Schema in the second stage. */
export const EnvelopeStep = Schema.Struct({
  uses: Schema.String.annotate({ description: stepNotes.uses }),
  in: Schema.optionalKey(Schema.Record(Schema.String, Schema.String).annotate({ description: stepNotes.in })),
  with: Schema.optionalKey(anything.annotate({ description: stepNotes.with })),
  matrix: Schema.optionalKey(Schema.Unknown.annotate({ description: stepNotes.matrix }))
})

/** The top level of a pipeline file: the first stage of decoding. Each step is decoded on its own. */
export const Envelope = Schema.Struct({
  name: Schema.NonEmptyString.annotate({ description: envelopeNotes.name }),
  seed: Schema.optionalKey(seed.annotate({ description: envelopeNotes.seed })),
  params: Schema.optionalKey(anything.annotate({ description: envelopeNotes.params })),
  env: Schema.optionalKey(
    Schema.Union([
      Schema.Array(Schema.String),
      Schema.Record(Schema.String, Schema.Union([scalar, variable]))
    ]).annotate({
      description: envelopeNotes.env
    })
  ),
  include: Schema.optionalKey(
    Schema.Union([Schema.String, Schema.Array(Schema.String)]).annotate({ description: envelopeNotes.include })
  ),
  resources: Schema.optionalKey(MachineResources.annotate({ description: envelopeNotes.resources })),
  steps: anything.annotate({ description: envelopeNotes.steps }),
  sweep: Schema.optionalKey(anything.annotate({ description: envelopeNotes.sweep }))
})
export type Envelope = typeof Envelope.Type

/** Words that `${...}` and instances use: no step may take one of them for its name. */
export const reservedNames = ["params", "env", "matrix", "sweep", "steps"] as const
