import { EngineChoice, OutputArtifact, Progress } from "@hone/core/Stage"
import { Schema } from "effect"

const JsonRecord = Schema.Record(Schema.String, Schema.Unknown)

/** What the runner asks of a worker: one stage, all its inputs as paths and digests. */
export const StageRequest = Schema.Struct({
  kind: Schema.String,
  stage: Schema.String,
  params: JsonRecord,
  inputs: Schema.Record(
    Schema.String,
    Schema.Struct({
      path: Schema.String,
      blob: Schema.String,
      content: Schema.String,
      facts: JsonRecord,
      view: Schema.optionalKey(Schema.String)
    })
  ),
  sources: Schema.Record(
    Schema.String,
    Schema.Struct({ path: Schema.String, format: Schema.String, digest: Schema.String, spec: Schema.String })
  ),
  folder: Schema.String,
  seed: Schema.Int,
  engine: EngineChoice,
  checkpoints: Schema.NullOr(Schema.String),
  /** The folder of blobs: `<cas>/ab/<sha256>`. */
  cas: Schema.String
})
export type StageRequest = typeof StageRequest.Type

/** What a worker says, over the channel that Node opens between parent and child. */
export const WorkerMessage = Schema.Union([
  Schema.Struct({ type: Schema.Literal("progress"), progress: Progress }),
  Schema.Struct({ type: Schema.Literal("log"), line: Schema.String }),
  Schema.Struct({
    type: Schema.Literal("done"),
    outputs: Schema.Record(Schema.String, OutputArtifact),
    counts: JsonRecord,
    warnings: Schema.Array(Schema.String),
    uncached: Schema.NullOr(Schema.String),
    peak_rss_bytes: Schema.NullOr(Schema.Int)
  }),
  Schema.Struct({
    type: Schema.Literal("failed"),
    code: Schema.String,
    message: Schema.String,
    hint: Schema.String,
    param: Schema.optionalKey(Schema.String),
    row_ids: Schema.Array(Schema.String),
    /** The damaged or missing blob that it met. */
    blob: Schema.NullOr(Schema.String),
    /** Set for faults of ours, not the user's. */
    stack: Schema.NullOr(Schema.String)
  })
])
export type WorkerMessage = typeof WorkerMessage.Type
