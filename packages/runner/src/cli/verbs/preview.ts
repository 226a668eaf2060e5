import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import type { PlannedStep } from "@hone/core/plan/Plan"
import type { OutputArtifact } from "@hone/core/Stage"
import type { Preview, PreviewRow, PreviewToken } from "@hone/steps/tokenize/preview"
import type { StoreFolder } from "../../store/Folder.ts"
import { blobPath } from "../../store/Folder.ts"
import { bar } from "../Bars.ts"
import { Exit } from "../Exit.ts"
import * as Flags from "../Flags.ts"
import { loadPlan, unknownStep } from "../Load.ts"
import { paint, print, printError, printJson, table } from "../Output.ts"

const BAR = 40
/** Labels that are listed; a longer tail is counted. */
const LABELS = 20

/** The step's first table of rows or tokens, and, for tokens, the vocabulary of the tokenizer that made them. */
const rowsOf = (step: PlannedStep): OutputArtifact | undefined =>
  step.stages
    .flatMap(({ record }) => Object.values(record?.outputs ?? {}))
    .find((artifact) => typeof artifact.facts["rows"] === "number")

const tokenizerOf = (rows: OutputArtifact, steps: ReadonlyArray<PlannedStep>): OutputArtifact | undefined => {
  const all = steps.flatMap((other) => other.stages.flatMap(({ record }) => Object.entries(record?.outputs ?? {})))
  const named = all.filter(([name]) => name === "tokenizer").map(([, artifact]) => artifact)
  return named.find((artifact) => artifact.content === rows.facts["tokenizer"]) ?? named[0]
}

const read = async (
  folder: StoreFolder,
  rows: OutputArtifact,
  tokenizer: OutputArtifact | undefined,
  count: number
) => {
  const { previewOf } = await import("@hone/steps/tokenize/preview")
  const at = (artifact: OutputArtifact) => ({ path: blobPath(folder, artifact.blob), blob: artifact.blob })
  return previewOf(at(rows), tokenizer === undefined ? undefined : at(tokenizer), count)
}

/** The text with what was cut out marked: struck through in colour, in brackets without. */
const shownText = (text: string, cut: PreviewRow["cut"]): string => {
  if (cut === undefined) return text
  const characters = Array.from(text)
  const [head, gone, tail] = [characters.slice(0, cut[0]), characters.slice(...cut), characters.slice(cut[1])].map(
    (part) => part.join("")
  )
  return `${head}${paint("yellow", `⟦${gone}⟧`)}${tail}`
}

const shownTokens = (tokens: ReadonlyArray<PreviewToken>): string =>
  tokens
    .map(({ end, start, token }, at) => {
      const place = start === undefined ? "" : paint("dim", `@${start}-${end}`)
      return paint(start === undefined ? "dim" : at % 2 === 0 ? "cyan" : "green", token) + place
    })
    .join(" ")

const shownRow = ({ cut, label, row_id, texts, tokens, truncated }: PreviewRow): string => {
  const names = Object.keys(texts)
  const lines = [
    `${paint("dim", row_id)}${label === undefined ? "" : `  ${paint("cyan", label)}`}`,
    ...names.map(
      (name) =>
        `${names.length > 1 ? `${paint("bold", name)}: ` : ""}${shownText(texts[name]!, name === "text" ? cut : undefined)}`
    )
  ]
  if (tokens === undefined) return lines.join("\n")
  const note =
    truncated === true
      ? paint("yellow", ` (cut to ${tokens.length} tokens${cut === undefined ? "" : "; what went is in ⟦ ⟧"})`)
      : ""
  return [...lines, `${shownTokens(tokens)}${note}`].join("\n")
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** A line of a bar for each entry, of widths relative to the largest. */
const bars = (entries: ReadonlyArray<readonly [string, number]>, total: number): string => {
  const largest = Math.max(1, ...entries.map(([, count]) => count))
  return table(
    entries.map(([name, count]) => [
      `  ${name}`,
      String(count),
      percent(count / Math.max(1, total)),
      paint("cyan", bar(count / largest, BAR))
    ]),
    ["left", "right", "right", "left"]
  )
}

const labelBars = ({ labels, total }: Preview): ReadonlyArray<string> => {
  if (labels === undefined) return []
  const entries = Object.entries(labels)
  const shown = entries.length <= LABELS ? entries : entries.toSorted(([, a], [, b]) => b - a).slice(0, LABELS)
  const rest = entries.length - shown.length
  return [paint("bold", "labels"), bars(shown, total), ...(rest === 0 ? [] : [`  and ${rest} more`])]
}

const lengthBars = ({ lengths, total, truncated }: Preview): ReadonlyArray<string> => {
  const entries = lengths.buckets.map(
    ({ from, rows, to }) => [from === to ? String(from) : `${from}–${to}`, rows] as const
  )
  const cut =
    truncated === undefined || truncated === 0
      ? ""
      : paint("yellow", `, ${truncated} cut (${percent(truncated / total)})`)
  return [`${paint("bold", `length in ${lengths.unit}`)}${cut}`, bars(entries, total)]
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
    const preview = yield* Effect.promise(() => read(folder, rows, tokenizerOf(rows, planned.steps), count))
    if (json) return printJson({ step: name, ...preview })
    const blocks = preview.rows.map(shownRow)
    const spread = [`${paint("bold", String(preview.total))} rows`, ...labelBars(preview), ...lengthBars(preview)]
    print([...blocks, spread.join("\n")].join("\n\n"))
  })
).pipe(
  Command.withDescription(
    "Show the first rows of a step as the model will see them, and how labels and lengths are spread"
  )
)
