import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import type { PlannedStep } from "@hone/core/plan/Plan"
import type { OutputArtifact } from "@hone/core/Stage"
import type { StoreFolder } from "../../store/Folder.ts"
import { blobPath } from "../../store/Folder.ts"
import { Exit } from "../Exit.ts"
import * as Flags from "../Flags.ts"
import { loadPlan, unknownStep } from "../Load.ts"
import { paint, print, printError, printJson } from "../Output.ts"

/** The step's first table of rows or tokens, and, for tokens, the vocabulary of the tokenizer that made them. */
const rowsOf = (step: PlannedStep): OutputArtifact | undefined =>
  step.stages
    .flatMap(({ record }) => Object.values(record?.outputs ?? {}))
    .find((artifact) => typeof artifact.facts["rows"] === "number")

const tokenizerOf = (step: PlannedStep, steps: ReadonlyArray<PlannedStep>): OutputArtifact | undefined => {
  const digests = new Set(step.stages.flatMap(({ preimage }) => Object.values(preimage.inputs)))
  const all = steps.flatMap((other) => other.stages.flatMap(({ record }) => Object.entries(record?.outputs ?? {})))
  const named = all.filter(([name]) => name === "tokenizer").map(([, artifact]) => artifact)
  return named.find((artifact) => digests.has(artifact.content)) ?? named[0]
}

const shown = async (
  folder: StoreFolder,
  rows: OutputArtifact,
  tokenizer: OutputArtifact | undefined,
  count: number
) => {
  const { previewRows } = await import("@hone/steps/tokenize/preview")
  const at = (artifact: OutputArtifact) => ({ path: blobPath(folder, artifact.blob), blob: artifact.blob })
  return previewRows(at(rows), tokenizer === undefined ? undefined : at(tokenizer), count)
}

export const previewVerb = Command.make(
  "preview",
  {
    file: Flags.file,
    step: Flags.step,
    set: Flags.set,
    json: Flags.json,
    rows: Flag.Int("rows").pipe(Flag.withDescription("how many rows"), Flag.withDefault(3))
  },
  Effect.fn("hone preview")(function* ({ file, json, rows: count, set, step: name }) {
    const { folder, planned } = yield* loadPlan({ file, sets: set, json })
    const step = planned.steps.find((candidate) => candidate.name === name)
    if (step === undefined) return yield* unknownStep(file, name, planned, json)
    const rows = rowsOf(step)
    if (rows === undefined) {
      const why =
        step.verdict === "hit" ? `a ${step.kind} step makes no rows` : `${name} has no result yet: ${step.reason}`
      printError(`${why}\n  preview an ingest, tokenize or split step after \`hone run ${file}\``)
      return yield* new Exit({ code: 1 })
    }
    const found = yield* Effect.promise(() => shown(folder, rows, tokenizerOf(step, planned.steps), count))
    if (json) return printJson({ step: name, rows: found })
    const blocks = found.map((row) => {
      const title = `${paint("dim", row.row_id)}${row.label === undefined ? "" : `  ${paint("cyan", row.label)}`}`
      const tokens = row.tokens
        ?.map((token, i) => (i % 2 === 0 ? paint("cyan", token) : paint("green", token)))
        .join(" ")
      const cut = row.truncated === true ? paint("yellow", ` (cut to ${row.tokens?.length ?? 0} tokens)`) : ""
      return [
        title,
        ...(row.text === undefined ? [] : [row.text]),
        ...(tokens === undefined ? [] : [`${tokens}${cut}`])
      ].join("\n")
    })
    print(blocks.join("\n\n"))
  })
).pipe(Command.withDescription("Show the first rows of a step as the model will see them: text, label, tokens"))
