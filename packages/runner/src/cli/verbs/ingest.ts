import { resolve } from "node:path"
import type { SourceProblem } from "@hone/core/Services"
import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { Sight } from "@hone/steps/ingest/peek"
import type { TaggedTokens } from "@hone/steps/ingest/guess"
import { locate } from "../../sources/Locate.ts"
import { Exit } from "../Exit.ts"
import * as Flags from "../Flags.ts"
import { paint, print, printError, printJson, table } from "../Output.ts"
import { ownFolder } from "../Places.ts"
import { tellProgress } from "../Progress.ts"

const ROWS = 3
const WIDTH = 60

const cell = (value: unknown): string => {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "")
  const line = text.replace(/\s+/gu, " ")
  return line.length > WIDTH ? `${line.slice(0, WIDTH - 1)}…` : line
}

const sightText = ({ columns, format, rows }: Sight, described: string): string => {
  const shown = rows.slice(0, ROWS)
  const cells = columns.map((column) => [paint("cyan", column), ...shown.map((row) => cell(row[column]))])
  return [`${paint("bold", format === "folder" ? "a folder of files by label" : described)}`, table(cells)].join("\n")
}

const look = async (source: string, sha256: string | undefined, signal: AbortSignal) => {
  const spec = sha256 === undefined ? source : `${source}#sha256=${sha256}`
  const [{ look }, { describe }, { guessShape, taggedTokens }, { proposedPipeline }] = await Promise.all([
    import("@hone/steps/ingest/peek"),
    import("@hone/steps/ingest/head"),
    import("@hone/steps/ingest/guess"),
    import("@hone/steps/ingest/proposal")
  ])
  const whereabouts = { folder: resolve("."), ownFolder: ownFolder() }
  const path = await locate(spec, whereabouts, { env: process.env, signal, onProgress: tellProgress })
  const plain = { format: "auto", quote: '"', skip_lines: 0 } as const
  const first = await look(path, plain)
  // What the first look doubts is taken so, and said in the pipeline.
  const reading = {
    ...(first.above === undefined ? {} : { skip_lines: first.above }),
    ...(first.encoding === undefined ? {} : { encoding: first.encoding })
  }
  const sight = Object.keys(reading).length === 0 ? first : await look(path, { ...plain, ...reading })
  const guess = guessShape(sight.columns, sight.rows)
  const pipeline =
    guess === undefined
      ? undefined
      : proposedPipeline(source, guess, { ...(sha256 === undefined ? {} : { sha256 }), ...reading })
  const tagged = guess === undefined ? taggedTokens(sight.columns, sight.rows) : undefined
  return { sight, guess, tagged, pipeline, described: sight.head === undefined ? "folder" : describe(sight.head) }
}

const noText = "no column of it holds text: name the columns yourself (docs/guide/data.md)"

const noTags = ({ tags, tokens }: TaggedTokens): string =>
  [
    `rows of tokens (${tokens}) with a tag for each (${tags}): token classification, which no kind of step trains on yet`,
    `  to train on whole rows, give texts: ${tokens} joined by spaces, beside a label for the row`
  ].join("\n")

export const ingestVerb = Command.make(
  "ingest",
  {
    source: Argument.String("source").pipe(
      Argument.withDescription("a file, folder or pattern, npm:, hf: or an http(s) address")
    ),
    guess: Flag.Boolean("guess").pipe(
      Flag.withDescription("print a pipeline for it, and nothing else"),
      Flag.withDefault(false)
    ),
    sha256: Flag.String("sha256").pipe(Flag.withDescription("of the bytes behind an http(s) address"), Flag.optional),
    json: Flags.json
  },
  Effect.fn("hone ingest")(function* ({ guess: isGuess, json, sha256, source }) {
    const digest = sha256._tag === "Some" ? sha256.value : undefined
    const seen = yield* Effect.tryPromise({
      try: (signal) => look(source, digest, signal),
      catch: (error): SourceProblem => ({
        message: (error as Error).message,
        hint: (error as { readonly hint?: string }).hint ?? ""
      })
    }).pipe(
      Effect.catch((error) => {
        printError([error.message, ...(error.hint === "" ? [] : [`  ${error.hint}`])].join("\n"))
        return Effect.fail(new Exit({ code: 2 }))
      })
    )
    const { described, guess, pipeline, sight, tagged } = seen
    if (json)
      return printJson({
        format: sight.format,
        described,
        columns: sight.columns,
        rows: sight.rows.slice(0, ROWS),
        guess: guess ?? null,
        tagged_tokens: tagged ?? null,
        pipeline: pipeline ?? null
      })
    if (pipeline === undefined) {
      print(sightText(sight, described))
      printError(tagged === undefined ? noText : noTags(tagged))
      return yield* new Exit({ code: 1 })
    }
    if (isGuess) return print(pipeline.trimEnd())
    print(
      `${sightText(sight, described)}\n\nit looks like ${guess!.task}; \`hone ingest ${source} --guess > pipeline.yaml\` writes this:\n\n${pipeline.trimEnd()}`
    )
  })
).pipe(Command.withDescription("Look at a source: its format, its columns, and a pipeline for it"))
