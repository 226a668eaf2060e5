import { Schema } from "effect"
import { Numerics, OutputArtifact, Work } from "../Stage.ts"

const JsonRecord = Schema.Record(Schema.String, Schema.Unknown)

/** What a key was made from, stored beside the result: `explain` compares two of these field by field. */
export const Preimage = Schema.Struct({
  step: Schema.Struct({ kind: Schema.String, version: Schema.Int, implementation: Schema.String }),
  params: JsonRecord,
  /** Input name -> digest of the upstream output, or of the view of it that the result hangs on. */
  inputs: Schema.Record(Schema.String, Schema.String),
  sources: Schema.optionalKey(
    Schema.Record(Schema.String, Schema.Struct({ format: Schema.String, digest: Schema.String }))
  ),
  seed: Schema.optionalKey(Schema.Int),
  numerics: Schema.optionalKey(Numerics)
})
export type Preimage = typeof Preimage.Type

/** The record of a finished stage under its key: the only index of the store. */
export const ActionRecord = Schema.Struct({
  version: Schema.Literal(1),
  key: Schema.String,
  preimage: Preimage,
  outputs: Schema.Record(Schema.String, OutputArtifact),
  counts: JsonRecord,
  warnings: Schema.Array(Schema.String),
  /** Wall seconds of the attempt that made it. */
  seconds: Schema.Finite,
  /** Absent where the stage does not say, or what the environment gave would show. */
  work: Schema.optionalKey(Work),
  /** The most memory that its process had resident: runtime and libraries included. Absent where the system does not tell. */
  peak_rss_bytes: Schema.optionalKey(Schema.Int),
  /** ISO 8601, UTC. */
  finished_at: Schema.String,
  host: Schema.Struct({ node: Schema.String, platform: Schema.String, cores: Schema.Int, engine: Schema.String }),
  /** The folder of checkpoints that it was made over. */
  trajectory: Schema.optionalKey(Schema.String),
  /** The last lines that the stage logged. */
  log: Schema.Array(Schema.String)
})
export type ActionRecord = typeof ActionRecord.Type
