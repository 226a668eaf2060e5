import { existsSync, statSync } from "node:fs"
import { extname } from "node:path"
import type { OutputRef, Pipeline, PipelineStep } from "@hone/core/Pipeline"
import type { InputArtifact, OutputArtifact } from "@hone/core/Stage"
import { Clock, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { EngineMissing, readEngine } from "../../engine/EngineFile.ts"
import { artifactOf, inputOf, nearest } from "../../results/Upstream.ts"
import { blobPath } from "../../store/Folder.ts"
import { Exit } from "../Exit.ts"
import * as Flags from "../Flags.ts"
import type { Loaded } from "../Load.ts"
import { loadPlan } from "../Load.ts"
import { duration, printError } from "../Output.ts"
import { ownFolder } from "../Places.ts"
import { finishedStep, refuse, refusing } from "../StepResult.ts"

interface Asked {
  readonly input: string
  readonly output: string
  readonly force: boolean
}

interface Refusal {
  readonly message: string
  readonly hint: string
}

const formats = ["csv", "jsonl", "parquet", "arrow"] as const
type OutputFormat = (typeof formats)[number]

const formatOf = (path: string): OutputFormat | undefined =>
  formats.find((format) => extname(path).toLowerCase() === `.${format}`)

/** What can be told of the two places before a model is loaded. */
const placeFault = ({ force, input, output }: Asked): Refusal | undefined => {
  if (input === "-" && process.stdin.isTTY === true)
    return { message: "there is nothing to read", hint: "name a file with --in, or pipe JSON lines in" }
  if (input !== "-" && !existsSync(input))
    return { message: `there is no ${input}`, hint: "name a file with --in; paths count from the folder you are in" }
  if (input !== "-" && statSync(input).isDirectory())
    return { message: `${input} is a folder`, hint: "name one file with --in" }
  if (output === "-") return undefined
  if (formatOf(output) === undefined) {
    return {
      message: `${output} does not say which format to write`,
      hint: `end its name in ${formats.map((format) => `.${format}`).join(", ")}, or write - for JSON lines on standard output`
    }
  }
  return existsSync(output) && !force
    ? { message: `${output} is there already`, hint: "write --force to replace it" }
    : undefined
}

interface ReadBy {
  readonly model: OutputRef
  /** Rows such as are to be predicted; undefined where nothing says which. */
  readonly rows: OutputRef | undefined
  /** The evaluation that may have chosen thresholds. */
  readonly metrics: OutputRef | undefined
}

/** Where the model, its kind of rows and its thresholds come from: a train step has the first two, others read all of them. */
const readBy = (pipeline: Pipeline, step: PipelineStep): ReadBy => {
  const { inputs, name } = step
  switch (step.definition.kind) {
    case "train":
      return { model: { step: name, output: "model" }, rows: inputs["train"], metrics: undefined }
    case "evaluate":
      return { model: inputs["model"]!, rows: inputs["rows"], metrics: { step: name, output: "metrics" } }
    default: {
      const evaluation = pipeline.steps.find(({ name }) => name === inputs["metrics"]?.step)
      return {
        model: inputs["model"]!,
        rows: inputs["train"] ?? evaluation?.inputs["rows"],
        metrics: inputs["metrics"]
      }
    }
  }
}

interface Behind {
  readonly model: InputArtifact
  readonly tokenizer: InputArtifact
  readonly tokenize: PipelineStep
  readonly max_length: number
  readonly task: string
  /** Chosen by the evaluation that was named, or that the export reads. */
  readonly thresholds: Readonly<Record<string, number>> | undefined
  /** The params of the step that read the rows; undefined where no `ingest` stands behind them. */
  readonly ingest: Record<string, any> | undefined
}

const absent = (what: string, file: string): Refusal => ({
  message: `${what} is not in the store`,
  hint: `\`hone run ${file}\` makes it`
})

/** The artifacts and steps that predicting goes by. */
const behind = ({ folder, pipeline, planned }: Loaded, step: PipelineStep, file: string): Behind | Refusal => {
  const { metrics, model, rows } = readBy(pipeline, step)
  const tokenize = rows === undefined ? undefined : nearest(pipeline, rows, "tokenize")
  if (rows === undefined || tokenize === undefined)
    return {
      message: `no tokenize step stands behind \`${step.name}\``,
      hint: "predict goes by the tokenize step of the pipeline"
    }
  const artifact = artifactOf(planned, model)
  const tokens = artifactOf(planned, { step: tokenize.name, output: "tokens" })
  const tokenizer = artifactOf(planned, tokenize.inputs["tokenizer"])
  if (artifact === undefined) return absent("the model", file)
  if (tokens === undefined || tokenizer === undefined) return absent(`what \`${tokenize.name}\` made or read`, file)
  return {
    model: inputOf(folder, artifact),
    tokenizer: inputOf(folder, tokenizer),
    tokenize,
    max_length: Number(tokens.facts["max_length"]),
    task: String(tokens.facts["task"] ?? "text-classification"),
    thresholds: thresholdsOf(artifactOf(planned, metrics)),
    ingest: nearest(pipeline, rows, "ingest")?.params
  }
}

const thresholdsOf = (metrics: OutputArtifact | undefined): Behind["thresholds"] =>
  (metrics?.facts["thresholds"] ?? undefined) as Behind["thresholds"]

/** Evaluations of a train step's model that chose thresholds, which its name alone does not bring along. */
const thresholdsBeside = ({ pipeline, planned }: Loaded, step: PipelineStep): ReadonlyArray<string> =>
  step.definition.kind !== "train"
    ? []
    : pipeline.steps.flatMap(({ definition, inputs, name }) => {
        if (definition.kind !== "evaluate" || inputs["model"]?.step !== step.name) return []
        return thresholdsOf(artifactOf(planned, { step: name, output: "metrics" })) === undefined ? [] : [name]
      })

/** The texts of a row by their names in the pipeline, and the columns that hold them: as `--text` says, else as ingest has it. */
const textsOf = (
  { ingest, task }: Behind,
  asked: string
): ReadonlyArray<{ readonly name: string; readonly column: string }> | Refusal => {
  const names = task === "pair-classification" ? ["text_a", "text_b"] : ["text"]
  const given = asked === "" ? [] : names.length === 1 ? [asked] : asked.split(",")
  if (given.length > 0 && given.length !== names.length)
    return {
      message: `--text ${asked} names ${given.length} columns, and the rows are pairs`,
      hint: "write --text FIRST,SECOND"
    }
  return names.map((name, at) => ({ name, column: given[at] ?? ingest?.["columns"]?.[name] ?? name }))
}

const summaryOf = (
  counts: { readonly [name: string]: unknown; readonly predicted: Readonly<Record<string, number>> },
  max_length: number,
  seconds: number
): string => {
  const count = (name: string) => counts[name] as number
  const labels = Object.entries(counts.predicted).map(([label, rows]) => `${label} ${rows}`)
  const notes = [
    count("cut") > 0 ? `${count("cut")} cut to ${max_length} tokens` : undefined,
    count("empty") > 0 ? `${count("empty")} without a text, left without a prediction` : undefined,
    count("too_long") > 0 ? `${count("too_long")} over ${max_length} tokens, left without a prediction` : undefined
  ]
  return [
    `${count("rows")} rows in ${duration(seconds)}: ${labels.join(", ")}`,
    ...notes.filter((note) => note !== undefined)
  ].join("; ")
}

/** Counts up on a terminal, in place. */
const progressLine = (rows: number): void => {
  if (process.stderr.isTTY === true) process.stderr.write(`\r${rows} rows`)
}

export const predictVerb = Command.make(
  "predict",
  {
    file: Flags.file,
    step: Flags.step,
    set: Flags.set,
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("print the counts as JSON on standard error"),
      Flag.withDefault(false)
    ),
    input: Flag.String("in").pipe(
      Flag.withDescription(
        "the rows: CSV, TSV, JSON, JSONL, Parquet, Arrow or text, gzip and zstd undone; - for JSON lines on standard input"
      ),
      Flag.withDefault("-")
    ),
    output: Flag.String("out").pipe(
      Flag.withDescription(
        "where to: a name ending in .csv, .jsonl, .parquet or .arrow; - for JSON lines on standard output"
      ),
      Flag.withDefault("-")
    ),
    text: Flag.String("text").pipe(
      Flag.withDescription(
        "the column of the text, or FIRST,SECOND for pairs (default: as the pipeline's ingest step has it)"
      ),
      Flag.withDefault("")
    ),
    id: Flag.String("id").pipe(
      Flag.withDescription("the column of the rows' ids (default: id where there is one, else rows are numbered)"),
      Flag.withDefault("")
    ),
    withText: Flag.Boolean("with-text").pipe(
      Flag.withDescription("write the text beside its prediction"),
      Flag.withDefault(false)
    ),
    force: Flag.Boolean("force").pipe(Flag.withDescription("replace a file that is there"), Flag.withDefault(false)),
    batchSize: Flag.Int("batch-size").pipe(Flag.withDescription("rows in a forward pass"), Flag.withDefault(32))
  },
  Effect.fn("hone predict")(function* (flags) {
    const { batchSize, file, force, id, input, json, output, set, step: name, text, withText } = flags
    const loaded = yield* loadPlan({ file, sets: set, json: false })
    const kinds = ["train", "evaluate", "export"]
    const step = yield* finishedStep(loaded, {
      file,
      step: name,
      kinds,
      why: "what predicts is the model of a train, an evaluate or an export step",
      json: false
    })
    const fault = placeFault({ input, output, force })
    if (fault !== undefined) return yield* refuse(2, fault)
    const found = behind(loaded, step, file)
    if ("message" in found) return yield* refuse(1, found)
    const texts = textsOf(found, text)
    if ("message" in texts) return yield* refuse(2, texts)
    const engine = readEngine(ownFolder(), process.env)
    if (engine instanceof EngineMissing) return yield* new Exit({ code: 2 }) // loading the plan has met and said it
    // TensorFlow's log goes to standard error, where the counts are.
    process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "2"
    const started = yield* Clock.currentTimeMillis
    const work = Effect.gen(function* () {
      const { openPredictor } = yield* Effect.promise(() => import("@hone/steps/predict/Predictor"))
      const { predictRows } = yield* Effect.promise(() => import("@hone/steps/predict/predictRows"))
      const { fileSink, streamSink } = yield* Effect.promise(() => import("@hone/steps/predict/sinks"))
      const { attempt } = yield* Effect.promise(() => import("@hone/steps/attempt"))
      const { allow_empty, truncate } = found.tokenize.params
      const predictor = yield* openPredictor({
        model: found.model,
        tokenizer: found.tokenizer,
        tokenizing: { max_length: found.max_length, truncate, allow_empty },
        pairs: texts.length === 2,
        engine,
        blobPath: (blob) => blobPath(loaded.folder, blob),
        batch_size: batchSize,
        thresholds: found.thresholds
      })
      const { delimiter, encoding, quote = '"', skip_lines = 0 } = found.ingest ?? {}
      return yield* predictRows({
        input: input === "-" ? { jsonl: process.stdin } : { path: input },
        shown: input === "-" ? "standard input" : input,
        reading: { delimiter, encoding, quote, skip_lines },
        texts,
        id: id === "" ? undefined : id,
        withText,
        predictor,
        sink: output === "-" ? streamSink(process.stdout) : yield* attempt(() => fileSink(output, formatOf(output)!)),
        done: progressLine
      })
    })
    const counts = yield* refusing(false)(Effect.scoped(work))
    const seconds = ((yield* Clock.currentTimeMillis) - started) / 1000
    if (process.stderr.isTTY === true) process.stderr.write("\r\u001b[K")
    if (json) process.stderr.write(`${JSON.stringify({ ...counts, seconds })}\n`)
    else printError(summaryOf({ ...counts }, found.max_length, seconds))
    const [evaluation] = thresholdsBeside(loaded, step)
    if (evaluation !== undefined && !json)
      printError(`\`${evaluation}\` chose thresholds for this model: name it instead of \`${name}\` to predict by them`)
  })
).pipe(Command.withDescription("Predict the rows of a file with a tuned model, cut and batched as the pipeline does"))
