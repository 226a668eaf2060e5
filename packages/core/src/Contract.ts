import { Schema } from "effect"
import { Fault } from "./Fault.ts"

/**
 * What `--json` prints, for scripts. Fields are only ever added. `hone plan --json` prints one `PlanJson`, `hone run --json` one
 * `RunEvent` a line, `hone show --json` one `ShowJson`; faults replace either by one `FaultsJson`, with exit code 2.
 */
export const PlanJson = Schema.Struct({
  steps: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      kind: Schema.String,
      verdict: Schema.Literals(["hit", "run", "maybe"]),
      reason: Schema.String,
      key: Schema.NullOr(Schema.String),
      stages: Schema.Array(
        Schema.Struct({
          name: Schema.String,
          verdict: Schema.Literals(["hit", "run", "maybe", "absent", "not_needed"]),
          reason: Schema.String,
          key: Schema.NullOr(Schema.String),
          /** Seconds that it took when it last ran, where it has to run now; null where that is not known, or not needed. */
          expected_seconds: Schema.NullOr(Schema.Finite),
          /** What its graph says that it will need, where it has to run or may; null where that cannot be predicted, or is not needed. */
          predicted: Schema.NullOr(
            Schema.Struct({
              /** Of its process, runtime and libraries included. */
              peak_memory_bytes: Schema.Finite,
              /** Of one optimizer step over the longest batch. */
              flops_per_step: Schema.Finite,
              /** Null while the number of rows is not known. */
              steps: Schema.NullOr(Schema.Int),
              /** "16 rows of 128 tokens" */
              batch: Schema.String
            })
          ),
          /** What results made most like it took, where it has to run or may; null where there are none, or it is not needed. */
          history: Schema.NullOr(
            Schema.Struct({
              seconds: Schema.Struct({ median: Schema.Finite, least: Schema.Finite, most: Schema.Finite }),
              /** Of its process; null where no record tells. */
              peak_memory_bytes: Schema.NullOr(Schema.Finite),
              runs: Schema.Int,
              /** Fields of the preimage that part those results from this one. */
              edits: Schema.Int
            })
          )
        })
      )
    })
  )
})
export type PlanJson = typeof PlanJson.Type

export const FaultsJson = Schema.Struct({
  faults: Schema.Array(
    Schema.Struct({
      file: Schema.String,
      line: Schema.Int,
      column: Schema.Int,
      code: Schema.String,
      message: Schema.String,
      hint: Schema.String
    })
  )
})
export type FaultsJson = typeof FaultsJson.Type

export const faultsJson = (faults: ReadonlyArray<Fault>): FaultsJson => ({
  faults: faults.map(({ code, column, file, hint, line, message }) => ({ file, line, column, code, message, hint }))
})

const Outcome = Schema.Literals(["hit", "ran", "cut_off", "failed", "skipped"])

export const RunEvent = Schema.Union([
  Schema.Struct({
    event: Schema.Literal("start"),
    run: Schema.String,
    pipeline: Schema.String,
    steps: Schema.Array(
      Schema.Struct({ name: Schema.String, kind: Schema.String, verdict: Schema.String, reason: Schema.String })
    )
  }),
  Schema.Struct({
    event: Schema.Literal("stage"),
    step: Schema.String,
    stage: Schema.String,
    state: Schema.Literals(["started", "ended"]),
    reason: Schema.String
  }),
  Schema.Struct({
    event: Schema.Literal("progress"),
    step: Schema.String,
    stage: Schema.String,
    done: Schema.Finite,
    total: Schema.NullOr(Schema.Finite),
    unit: Schema.String,
    values: Schema.Record(Schema.String, Schema.Finite)
  }),
  Schema.Struct({ event: Schema.Literal("log"), step: Schema.String, stage: Schema.String, line: Schema.String }),
  Schema.Struct({ event: Schema.Literal("warning"), step: Schema.String, message: Schema.String }),
  Schema.Struct({
    event: Schema.Literal("step"),
    name: Schema.String,
    outcome: Outcome,
    reason: Schema.String,
    seconds: Schema.Finite,
    counts: Schema.Record(Schema.String, Schema.Unknown)
  }),
  Schema.Struct({
    event: Schema.Literal("failure"),
    step: Schema.String,
    /** Where the pipeline says so: the param that may mend it where it is written, else the step. */
    file: Schema.String,
    line: Schema.Int,
    column: Schema.Int,
    code: Schema.String,
    message: Schema.String,
    hint: Schema.String,
    row_ids: Schema.Array(Schema.String)
  }),
  Schema.Struct({
    event: Schema.Literal("end"),
    ok: Schema.Boolean,
    run: Schema.String,
    seconds: Schema.Finite,
    /** Absent where the pipeline gives no verdict. */
    verdict: Schema.optionalKey(Schema.Literals(["passed", "failed"])),
    steps: Schema.Array(Schema.Struct({ name: Schema.String, outcome: Outcome, seconds: Schema.Finite }))
  })
])
export type RunEvent = typeof RunEvent.Type

export const ShowJson = Schema.Struct({
  step: Schema.String,
  kind: Schema.String,
  outputs: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      rows: Schema.Int,
      bytes: Schema.Int,
      columns: Schema.Array(Schema.Struct({ name: Schema.String, type: Schema.String, nullable: Schema.Boolean })),
      facts: Schema.Record(Schema.String, Schema.Unknown)
    })
  ),
  counts: Schema.Record(Schema.String, Schema.Unknown),
  /** `metrics[predictor][metric]`, of the step's metrics or comparison. */
  metrics: Schema.Record(Schema.String, Schema.Unknown)
})
export type ShowJson = typeof ShowJson.Type
