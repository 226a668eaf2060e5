import { Schema } from "effect"
import { MachineResources, resourcesNote } from "../MachineResources.ts"

const count = Schema.Int.check(Schema.isGreaterThan(0))
const text = Schema.NonEmptyString
/** By path: `tuned.learning_rate`, `params.max_length`. */
const assignment = Schema.Record(Schema.String, Schema.Unknown)
const duration = Schema.String.check(
  Schema.isPattern(/^(?=\d)(\d+(\.\d+)?h)?(\d+(\.\d+)?m)?(\d+(\.\d+)?s)?$/u, {
    expected: "a duration as 2h, 30m, 90s or 1h30m"
  })
)

/** Most replicates of a trial: a standard deviation does not get better by more. */
export const mostSeeds = 50

/** What the keys of a sweep mean: in hints, and in the JSON Schema that editors read. */
export const sweepNotes = {
  pipeline: "in a file of its own, the pipeline that is swept: a path from this file",
  objective: "what is to become best: { metric: STEP.METRIC, goal: maximize | minimize, at: best | last }",
  search: "how trials are chosen: { method: grid | list | random | quasi_random | tpe, seed, max_trials, parallel }",
  budget: "where the search ends although trials are left: { wall_time: 2h, device_time: 1h }",
  resources: `${resourcesNote}; over what the pipeline says`,
  space: "what is searched: a map from a param (STEP.PARAM or params.NAME) to { choice | int | range | log | expr }",
  bundles: "a list of maps of params that are only tried together",
  constraints: "a list of expressions over params that every trial must satisfy",
  start: "a list of maps of params that are tried first; under `method: list` they are all that is tried",
  replicates: "more seeds for trials that are worth it: { seeds: 3, only: { top: 5 } }",
  prune:
    "which trials are stopped early: { method: asha | median | threshold | none, metric, goal, resource: epoch, rungs: [1, 3], keep: 1/3, threshold, start_after }",
  failure: "what a failed trial means for the others: { retry: 1, trial: continue | stop, stop_after: 5 }"
} as const

const describe = (key: keyof typeof sweepNotes) => ({ description: sweepNotes[key] })
const when = Schema.optionalKey(
  text.annotate({ description: "an expression over params; where it does not hold, this param is left as it is" })
)
const bounds = Schema.Tuple([Schema.Finite, Schema.Finite])
const points = Schema.optionalKey(
  count.annotate({ description: "how many values `method: grid` takes of it, the ends among them" })
)

/** How one param is searched. */
export const DomainBlock = Schema.Union([
  Schema.Struct({ choice: Schema.NonEmptyArray(Schema.Unknown), when }),
  Schema.Struct({
    int: Schema.Tuple([Schema.Int, Schema.Int]),
    step: Schema.optionalKey(count),
    log: Schema.optionalKey(Schema.Boolean),
    points,
    when
  }),
  Schema.Struct({
    range: bounds,
    step: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0))),
    points,
    when
  }),
  Schema.Struct({ log: bounds, points, when }),
  Schema.Struct({ expr: text, when })
])
export type DomainBlock = typeof DomainBlock.Type

/** A sweep as written: under `sweep:` of a pipeline, or a file of its own. */
export const SweepBlock = Schema.Struct({
  pipeline: Schema.optionalKey(text.annotate(describe("pipeline"))),
  objective: Schema.optionalKey(
    Schema.Struct({
      metric: text,
      goal: Schema.optionalKey(Schema.Literals(["maximize", "minimize"])),
      at: Schema.optionalKey(Schema.Literals(["best", "last"]))
    }).annotate(describe("objective"))
  ),
  search: Schema.optionalKey(
    Schema.Struct({
      method: Schema.optionalKey(Schema.Literals(["grid", "list", "random", "quasi_random", "tpe"])),
      seed: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4294967295 }))),
      max_trials: Schema.optionalKey(count),
      parallel: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 64 })))
    }).annotate(describe("search"))
  ),
  budget: Schema.optionalKey(
    Schema.Struct({
      wall_time: Schema.optionalKey(duration),
      device_time: Schema.optionalKey(duration)
    }).annotate(describe("budget"))
  ),
  resources: Schema.optionalKey(MachineResources.annotate(describe("resources"))),
  space: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown).annotate(describe("space"))),
  bundles: Schema.optionalKey(Schema.Array(assignment).annotate(describe("bundles"))),
  constraints: Schema.optionalKey(Schema.Array(text).annotate(describe("constraints"))),
  start: Schema.optionalKey(Schema.Array(assignment).annotate(describe("start"))),
  replicates: Schema.optionalKey(
    Schema.Struct({
      seeds: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: mostSeeds })),
      only: Schema.optionalKey(Schema.Struct({ top: count }))
    }).annotate(describe("replicates"))
  ),
  prune: Schema.optionalKey(
    Schema.Struct({
      method: Schema.Literals(["asha", "median", "threshold", "none"]),
      metric: Schema.optionalKey(text),
      goal: Schema.optionalKey(Schema.Literals(["maximize", "minimize"])),
      resource: Schema.optionalKey(text),
      rungs: Schema.optionalKey(Schema.NonEmptyArray(count)),
      keep: Schema.optionalKey(
        Schema.Union([
          Schema.Finite.check(
            Schema.isBetween({ minimum: 0, maximum: 1, exclusiveMinimum: true, exclusiveMaximum: true })
          ),
          Schema.String.check(Schema.isPattern(/^1\/([2-9]|[1-9]\d)$/u, { expected: "a share as 0.25 or 1/4" }))
        ])
      ),
      threshold: Schema.optionalKey(Schema.Finite),
      start_after: Schema.optionalKey(count)
    }).annotate(describe("prune"))
  ),
  failure: Schema.optionalKey(
    Schema.Struct({
      retry: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10 }))),
      trial: Schema.optionalKey(Schema.Literals(["continue", "stop"])),
      stop_after: Schema.optionalKey(count)
    }).annotate(describe("failure"))
  )
})
export type SweepBlock = typeof SweepBlock.Type
