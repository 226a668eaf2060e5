import { Schema } from "effect"

const Value = Schema.Unknown
const Params = Schema.Record(Schema.String, Value)
const instant = Schema.String.annotate({ description: "ISO 8601, UTC" })

/** One stretch of work for a trial: the whole of it, its way to a rung, or a replicate. For the time line of the machine's use. */
const SweepSpan = Schema.Struct({
  /** Which of the `parallel` places it ran in, from 0. */
  slot: Schema.Int,
  started_at: instant,
  seconds: Schema.Finite,
  /** The resource at which it ended; null where it went to the end. */
  until: Schema.NullOr(Schema.Finite),
  /** 0: the file's own seed. */
  replicate: Schema.Int
})

/** What was decided of a trial at a rung. */
const SweepRung = Schema.Struct({
  /** Of the pruning's resource: epochs. */
  resource: Schema.Finite,
  value: Schema.Finite,
  /** What it was held against; null where there was nothing to hold it against. */
  threshold: Schema.NullOr(Schema.Finite),
  /** `waits`: others have still to reach the rung. */
  decision: Schema.Literals(["kept", "stopped", "waits"]),
  /** "among the best third of 6", "fewer than 4 have come this far". */
  why: Schema.String
})

const SweepTrial = Schema.Struct({
  /** Hash of the resolved params: equal params are one trial. */
  id: Schema.String,
  /** The order in which it was asked for, from 1. */
  number: Schema.Int,
  /** By path (`tuned.learning_rate`): searched, bundled and tied ones. What a condition left out is absent. */
  params: Params,
  /** How it came about: `start`, `grid`, `random`, `quasi_random`, `tpe`, `list`. */
  by: Schema.String,
  state: Schema.Literals(["complete", "stopped", "failed", "unfinished"]),
  /** Mean over the replicates that have one; null where there is none. */
  objective: Schema.NullOr(Schema.Finite),
  /** Over replicates; null for fewer than two. */
  sd: Schema.NullOr(Schema.Finite),
  /** From 1 for the best; null for a trial without an objective. Replicated trials stand before those tried once. */
  rank: Schema.NullOr(Schema.Int),
  /** The objective of each replicate, that of the file's own seed first; null where it failed or has not run. */
  replicates: Schema.Array(Schema.Struct({ replicate: Schema.Int, objective: Schema.NullOr(Schema.Finite) })),
  rungs: Schema.Array(SweepRung),
  /** The objective's metric (or the pruning's, where that is another) as the training went on. */
  curve: Schema.Array(Schema.Struct({ at: Schema.Finite, value: Schema.Finite })),
  spans: Schema.Array(SweepSpan),
  /** What it took, summed over spans; results that were there already took nothing. */
  seconds: Schema.Finite,
  error: Schema.NullOr(
    Schema.Struct({ step: Schema.String, code: Schema.String, message: Schema.String, hint: Schema.String })
  )
})
export type SweepTrial = typeof SweepTrial.Type

const SweepParam = Schema.Struct({
  path: Schema.String,
  kind: Schema.Literals(["choice", "int", "range", "log", "expr", "bundle", "start"]),
  /** Of a choice: its values. */
  values: Schema.NullOr(Schema.Array(Value)),
  /** Of int, range and log. */
  low: Schema.NullOr(Schema.Finite),
  high: Schema.NullOr(Schema.Finite),
  /** The expression of a tied param, or the condition under which a searched one is. */
  expr: Schema.NullOr(Schema.String),
  when: Schema.NullOr(Schema.String),
  /** Whether any two trials differ in it. */
  differs: Schema.Boolean
})

/** What a param has to do with the objective, or what stands for it, by the variance that a forest over the trials gives to it. */
const SweepImportance = Schema.Struct({
  /** Of what: the objective; where most trials were stopped, the pruning's metric at the first rung, to which all have come. */
  of: Schema.String,
  /** Trials that it is made from. */
  trials: Schema.Int,
  /** Of the objective's variance, the share that the forest explains of trials it has not seen; below 0: worse than their mean. Null: too few. */
  explained: Schema.NullOr(Schema.Finite),
  /** By share, largest first. */
  params: Schema.Array(
    Schema.Struct({
      /** One param, or those that only change together. */
      paths: Schema.Array(Schema.String),
      /** Of the variance over the whole space, what it makes alone: 0 to 1. */
      share: Schema.Finite,
      /** The share that it gets in one of twenty sweeps of the same trials whose objectives are dealt out at random. */
      chance: Schema.Finite
    })
  ),
  /** What params make together and none makes alone. */
  interactions: Schema.Finite,
  /** How far to believe it, in a sentence. */
  words: Schema.String
})
export type SweepImportance = typeof SweepImportance.Type

/** A row of numbers on the test rows, by metric. */
const Scores = Schema.Record(Schema.String, Schema.Finite)

/**
 * What `hone sweep run --json` and `hone sweep show --json` print, and what the page of a sweep is made from. Fields are only
 * ever added.
 */
export const SweepJson = Schema.Struct({
  version: Schema.Literal(1),
  pipeline: Schema.String,
  /** As the user named it. */
  file: Schema.String,
  objective: Schema.Struct({
    metric: Schema.String,
    goal: Schema.Literals(["maximize", "minimize"]),
    at: Schema.Literals(["best", "last"])
  }),
  /** What curves and rungs tell; null where nothing is told on the way. */
  curve: Schema.NullOr(
    Schema.Struct({
      metric: Schema.String,
      goal: Schema.Literals(["maximize", "minimize"]),
      resource: Schema.String
    })
  ),
  search: Schema.Struct({
    method: Schema.String,
    seed: Schema.Int,
    max_trials: Schema.NullOr(Schema.Int),
    parallel: Schema.Int
  }),
  prune: Schema.NullOr(
    Schema.Struct({ method: Schema.String, rungs: Schema.Array(Schema.Finite), keep: Schema.NullOr(Schema.Finite) })
  ),
  params: Schema.Array(SweepParam),
  /** In the order of `rank`, then those without one in the order asked for. */
  trials: Schema.Array(SweepTrial),
  /** What each param does to the objective. */
  importance: Schema.optionalKey(SweepImportance),
  /** The id of the best trial; null before there is one. */
  best: Schema.NullOr(Schema.String),
  /**
   * The winner and the base on the test rows, which nothing else of the sweep has touched. Null where the pipeline evaluates no
   * test rows, or the search has not ended.
   */
  test: Schema.NullOr(
    Schema.Struct({
      /** The steps that told it. */
      steps: Schema.Array(Schema.String),
      /** The metric that is the objective's like on test rows; null where there is none. */
      metric: Schema.NullOr(Schema.String),
      best: Scores
    })
  ),
  /** The untuned base on the test rows: from the comparison, or from an evaluation of the base. */
  base: Schema.NullOr(Schema.Struct({ step: Schema.String, how: Schema.NullOr(Schema.String), test: Scores })),
  cost: Schema.Struct({
    /** Wall seconds of the last `run`. */
    wall_seconds: Schema.Finite,
    /** Summed over all spans of all trials. */
    trial_seconds: Schema.Finite,
    /** Steps of all trials, and how many distinct ones are left after sharing. */
    steps: Schema.Int,
    distinct_steps: Schema.Int
  }),
  /** Every decision at a rung, in the order taken, as printed. */
  decisions: Schema.Array(Schema.String),
  /** What a reader should know before believing: optimism, failures, too few trials. */
  warnings: Schema.Array(Schema.String),
  /** Why the search ended, or why it has not: "12 of 12 trials", "wall_time of 2h", "interrupted". */
  ended: Schema.String
})
export type SweepJson = typeof SweepJson.Type

/** What `hone sweep plan --json` prints. */
export const SweepPlanJson = Schema.Struct({
  trials: Schema.Int,
  /** False where results decide what is tried: the rest is then counted as if it were drawn at random. */
  exact: Schema.Boolean,
  /** Steps of all trials, the distinct ones among them, and those of the latter that are there already. */
  steps: Schema.Int,
  distinct_steps: Schema.Int,
  done_steps: Schema.Int,
  /** Of what has to run, one after the other, by what its like took; null where nothing is known. */
  expected_seconds: Schema.NullOr(Schema.Finite),
  /** Distinct steps to run of whose kind nothing is known. */
  unknown_steps: Schema.Int,
  /** At most, of one trial; null where it is not predicted. */
  peak_memory_bytes: Schema.NullOr(Schema.Finite),
  notes: Schema.Array(Schema.String)
})
export type SweepPlanJson = typeof SweepPlanJson.Type
