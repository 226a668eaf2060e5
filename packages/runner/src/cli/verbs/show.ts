import type { ShowJson } from "@hone/core/Contract"
import type { PlannedStep } from "@hone/core/plan/Plan"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import type { OutputArtifact } from "@hone/core/Stage"
import { attempt } from "@hone/steps/attempt"
import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import type { StoreFolder } from "../../store/Folder.ts"
import { blobPath } from "../../store/Folder.ts"
import { renderComparison } from "../Comparison.ts"
import { Exit } from "../Exit.ts"
import * as Flags from "../Flags.ts"
import { loadPlan, unknownStep } from "../Load.ts"
import { refusing } from "../StepResult.ts"
import { bytes, duration, paint, print, printError, printJson, table } from "../Output.ts"

const recordsOf = (step: PlannedStep): ReadonlyArray<ActionRecord> => step.stages.flatMap(({ record }) => record ?? [])

interface Shown {
  readonly name: string
  readonly artifact: OutputArtifact
  readonly rows: number
  readonly columns: ShowJson["outputs"][number]["columns"]
  readonly first: ReadonlyArray<Readonly<Record<string, unknown>>>
}

/** Opens an artifact: Arrow is loaded here and not before. */
const open = async (folder: StoreFolder, name: string, artifact: OutputArtifact, count: number): Promise<Shown> => {
  const { readTable } = await import("@hone/steps/arrow/reader")
  const { typeName } = await import("@hone/steps/arrow/digest")
  const arrow = readTable({ path: blobPath(folder, artifact.blob), blob: artifact.blob })
  const columns = arrow.schema.fields.map((field) => ({
    name: field.name,
    type: typeName(field.type),
    nullable: field.nullable
  }))
  const first = Array.from({ length: Math.min(count, arrow.numRows) }, (_, row) => {
    const values = columns.map(({ name }) => [name, plain(arrow.getChild(name)?.get(row))] as const)
    return Object.fromEntries(values)
  })
  return { name, artifact, rows: arrow.numRows, columns, first }
}

const plain = (value: unknown): unknown => {
  if (value === null || typeof value !== "object") return typeof value === "bigint" ? Number(value) : value
  if (value instanceof Uint8Array) return `${value.length} bytes`
  const list = value as { toArray?: () => ArrayLike<number>; length: number }
  return list.toArray === undefined ? String(value) : Array.from(list.toArray())
}

const cell = (value: unknown): string => {
  if (value === null || value === undefined) return paint("dim", "null")
  if (Array.isArray(value)) {
    const shown = value
      .slice(0, 6)
      .map((n) => (typeof n === "number" && !Number.isInteger(n) ? n.toFixed(3) : String(n)))
    return `[${shown.join(" ")}${value.length > 6 ? ` ... ${value.length}` : ""}]`
  }
  const text =
    typeof value === "number" && !Number.isInteger(value) ? value.toPrecision(5) : String(value).replace(/\s+/gu, " ")
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

const factLines = (facts: Readonly<Record<string, unknown>>): ReadonlyArray<ReadonlyArray<string>> =>
  Object.entries(facts).map(([name, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value)
    return [`  ${name}`, text.length > 100 ? `${text.slice(0, 97)}...` : text]
  })

/** `metrics[predictor][metric]` from the facts of a metrics artifact, or the facts of a comparison. */
const metricsOf = (outputs: ReadonlyArray<Shown>): Readonly<Record<string, unknown>> => {
  const found = outputs.find(({ name }) => name === "metrics") ?? outputs.find(({ name }) => name === "comparison")
  return found?.artifact.facts ?? {}
}

const render = (step: PlannedStep, records: ReadonlyArray<ActionRecord>, outputs: ReadonlyArray<Shown>): string => {
  const seconds = records.reduce((sum, record) => sum + record.seconds, 0)
  const out = [`${paint("bold", step.name)} (${step.kind}), made in ${duration(seconds)}`]
  const counts = Object.assign({}, ...records.map((record) => record.counts)) as Record<string, unknown>
  if (Object.keys(counts).length > 0) out.push("", "counts", table(factLines(counts)))
  for (const { artifact, columns, first, name, rows } of outputs) {
    out.push(
      "",
      `${paint("bold", name)}: ${rows} rows, ${bytes(artifact.bytes)}  ${paint("dim", columns.map((column) => `${column.name} ${column.type}`).join(", "))}`
    )
    if (name === "comparison") out.push(renderComparison(step.name, artifact.facts))
    else if (Object.keys(artifact.facts).length > 0) out.push(table(factLines(artifact.facts)))
    if (first.length > 0) {
      const head = columns.map((column) => paint("dim", column.name))
      out.push(table([head, ...first.map((row) => columns.map((column) => cell(row[column.name])))]))
    }
  }
  const log = records.flatMap((record) => record.log)
  if (log.length > 0) out.push("", "log", ...log.map((line) => `  ${line}`))
  return out.join("\n")
}

/** What a step is named for comes first, what it made on the way last. */
const byWeight = (main: string | undefined) => {
  const weight = (name: string) => (name === main ? 0 : name === "features" ? 2 : 1)
  return ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => weight(a) - weight(b)
}

export const showVerb = Command.make(
  "show",
  {
    file: Flags.file,
    step: Flags.step,
    set: Flags.set,
    json: Flags.json,
    rows: Flag.Int("rows").pipe(Flag.withDescription("how many rows of each table"), Flag.withDefault(5))
  },
  Effect.fn("hone show")(function* ({ file, json, rows, set, step: name }) {
    const { folder, pipeline, planned } = yield* loadPlan({ file, sets: set, json })
    const step = planned.steps.find((candidate) => candidate.name === name)
    if (step === undefined) return yield* unknownStep(file, name, planned, json)
    const records = recordsOf(step)
    if (step.verdict !== "hit" || records.length === 0) {
      printError(`${name} has no result for the file as it is now: ${step.reason}\n  \`hone run ${file}\` makes it`)
      return yield* new Exit({ code: 1 })
    }
    const main = pipeline.steps.find((candidate) => candidate.name === name)?.definition.main
    const artifacts = records.flatMap((record) => Object.entries(record.outputs)).sort(byWeight(main))
    const outputs = yield* refusing(json)(
      attempt(() => Promise.all(artifacts.map(([output, artifact]) => open(folder, output, artifact, rows))))
    )
    if (!json) return print(render(step, records, outputs))
    const shown: ShowJson = {
      step: name,
      kind: step.kind,
      outputs: outputs.map((output) => ({
        name: output.name,
        rows: output.rows,
        bytes: output.artifact.bytes,
        columns: output.columns,
        facts: output.artifact.facts
      })),
      counts: Object.assign({}, ...records.map((record) => record.counts)) as Record<string, unknown>,
      metrics: metricsOf(outputs)
    }
    printJson(shown)
  })
).pipe(Command.withDescription("Show a step's result: its tables, counts, metrics and log"))
