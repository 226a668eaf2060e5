import { Schema } from "effect"

export const StageOutcome = Schema.Struct({
  stage: Schema.String,
  identity: Schema.String,
  key: Schema.NullOr(Schema.String),
  outcome: Schema.Literals(["hit", "ran", "cut_off", "not_needed", "failed", "skipped"]),
  reason: Schema.String,
  seconds: Schema.Finite
})
export type StageOutcome = typeof StageOutcome.Type

export const StepOutcome = Schema.Struct({
  name: Schema.String,
  kind: Schema.String,
  outcome: Schema.Literals(["hit", "ran", "cut_off", "failed", "skipped"]),
  reason: Schema.String,
  seconds: Schema.Finite,
  stages: Schema.Array(StageOutcome),
  /** Upstream of each input, so that `explain` can follow a change to where it began. */
  reads: Schema.Record(Schema.String, Schema.String)
})
export type StepOutcome = typeof StepOutcome.Type

/** One run of a pipeline: what `runs`, `explain` and the report read. Never the source of a result. */
export const RunRecord = Schema.Struct({
  version: Schema.Literal(1),
  id: Schema.String,
  pipeline: Schema.String,
  /** Relative to the folder that holds `.hone`. */
  file: Schema.String,
  sets: Schema.Array(Schema.String),
  started_at: Schema.String,
  seconds: Schema.Finite,
  ok: Schema.Boolean,
  /** `interrupted` where Ctrl-C ended it. */
  ended: Schema.Literals(["completed", "failed", "interrupted"]),
  steps: Schema.Array(StepOutcome)
})
export type RunRecord = typeof RunRecord.Type
