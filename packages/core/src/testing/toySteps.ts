import { Schema } from "effect"
import { operational, semantic } from "../Params.ts"
import type { Registry } from "../Pipeline.ts"
import type { ColumnType } from "../Port.ts"
import * as Step from "../Step.ts"

const run = () => Promise.reject(new Error("toy steps are planned, never run"))

const text: ColumnType = { type: "utf8", nullable: false }
const label: ColumnType = { type: "dictionary", nullable: false }

/** Reads a source and gives rows; its head names the columns. */
const read = Step.make({
  kind: "read",
  summary: "Read rows.",
  params: Schema.Struct({
    source: operational(Schema.String, { description: "where the rows are" }),
    label: semantic(Schema.String, { description: "which column is the label", default: "label" })
  }),
  inputs: {},
  outputs: { rows: { kind: "rows", description: "the rows" } },
  sources: ({ source }) => ({ source: { spec: source, format: "csv", param: "source" } }),
  types: ({ heads, params }) => {
    const columns = heads["source"]?.columns
    const missing = columns !== undefined && !columns.includes(params.label)
    const fault = {
      path: ["with", "label"],
      message: `the source has no column "${params.label}"`,
      hint: `it has ${columns?.join(", ")}`
    }
    return { outputs: { rows: { kind: "rows", columns: { text, label } } }, faults: missing ? [fault] : [] }
  },
  module: "toy/read",
  run
})

/** Halves rows by a seeded draw. */
const halve = Step.make({
  kind: "halve",
  summary: "Halve rows.",
  params: Schema.Struct({
    share: semantic(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })), {
      description: "share of the first half, 0 to 1",
      default: 0.5
    }),
    workers: operational(Schema.Int, { description: "threads", default: 1 }),
    seed: semantic(Schema.Int, { description: "another seed", optional: true })
  }),
  inputs: {
    rows: {
      accepts: ["rows"],
      description: "rows to halve",
      columns: { label: { type: ["dictionary"], why: "halves keep its balance" } }
    }
  },
  outputs: { left: { kind: "rows", description: "one half" }, right: { kind: "rows", description: "the other half" } },
  types: ({ inputs }) => ({ outputs: { left: inputs["rows"]!, right: inputs["rows"]! }, faults: [] }),
  random: true,
  module: "toy/halve",
  run
})

/** Fits something in two stages: an intermediate that hangs on a view, and the fit. */
const fit = Step.makeStaged({
  kind: "fit",
  summary: "Fit a model.",
  params: Schema.Struct({
    rate: semantic(Schema.Finite.check(Schema.isGreaterThan(0)), { description: "learning rate", default: 0.001 }),
    mode: semantic(
      Schema.Union([
        Schema.Literals(["head", "full"]),
        Schema.Struct({ partial: Schema.Struct({ last_blocks: Schema.Int }) })
      ]),
      {
        description: "head, full or { partial: { last_blocks: N } }",
        default: "head"
      }
    )
  }),
  inputs: {
    train: { accepts: ["rows"], description: "rows to learn from" },
    validation: { accepts: ["rows"], description: "rows to watch", optional: true }
  },
  outputs: {
    model: { kind: "model", description: "the model" },
    history: { kind: "history", description: "its curve" }
  },
  main: "model",
  types: () => ({ outputs: { model: { kind: "model" } }, faults: [] }),
  stages: [
    {
      name: "features",
      identity: "features",
      intermediate: true,
      numerics: true,
      params: () => ({}),
      inputs: { train: { from: { port: "train" }, view: () => "inputs" } },
      outputs: { features: { kind: "features", description: "what the frozen part gives" } },
      applies: ({ mode }) =>
        mode === "full" ? { run: false, reason: "nothing is frozen" } : { run: true, reason: "computed once" },
      module: "toy/features",
      run
    },
    {
      name: "fit",
      numerics: true,
      random: true,
      inputs: {
        train: { from: { port: "train" } },
        validation: { from: { port: "validation" } },
        features: { from: { stage: "features", output: "features" }, derived: true }
      },
      outputs: {
        model: { kind: "model", description: "the model" },
        history: { kind: "history", description: "its curve" }
      },
      module: "toy/fit",
      run
    }
  ]
})

const score = Step.make({
  kind: "score",
  summary: "Score a model.",
  params: Schema.Struct({
    metrics: semantic(Schema.Array(Schema.String), { description: "which", default: ["accuracy"] })
  }),
  inputs: {
    model: { accepts: ["model"], description: "a fitted model" },
    rows: { accepts: ["rows"], description: "rows to score on" }
  },
  outputs: { metrics: { kind: "metrics", description: "the numbers" } },
  types: () => ({ outputs: { metrics: { kind: "metrics" } }, faults: [] }),
  module: "toy/score",
  run
})

/** Small steps with real declarations, for testing the file language and the plan without data or tensors. */
export const toyRegistry: Registry = { read, halve, fit, score }

export const toyPipeline = `name: toy
seed: 3
params: { rate: 0.01 }
steps:
  rows: { uses: read, with: { source: data.csv } }
  parts: { uses: halve, in: { rows: rows }, with: { share: 0.5 } }
  fitted: { uses: fit, in: { train: parts.left }, with: { rate: "\${params.rate}" } }
  scored: { uses: score, in: { model: fitted, rows: parts.right } }
`
