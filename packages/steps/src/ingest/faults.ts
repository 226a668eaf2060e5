import type { ValueType } from "@hone/core/expression/Language"
import type { SourceHead, StepFault } from "@hone/core/Step"
import { suggest } from "@hone/core/file/Suggest"
import { rangeOf } from "../where/range.ts"
import { whereFault } from "../where/where.ts"
import { type Guess, writtenGuess } from "./guess.ts"
import { type IngestParams, sourcesOf } from "./params.ts"
import { columnOf, type Role, rolesOf, shapes } from "./shapes.ts"

type Heads = Readonly<Record<string, SourceHead>>

/** What can be told to be wrong with an ingest before it runs. */
export const faultsOf = (params: IngestParams, heads: Heads): ReadonlyArray<StepFault> => {
  const head = heads[sourcesOf(params)[0]!.name]
  const guess = head?.facts?.["guess"] as Guess | undefined
  const above = head?.facts?.["above"]
  if (typeof above === "number") return [headerFault(above)]
  return [
    ...sourceFaults(params),
    ...taskFaults(params, guess),
    ...columnFaults(params, heads, guess),
    ...targetFaults(params, heads),
    ...labelFaults(params),
    ...selectionFaults(params, head)
  ]
}

const headerFault = (above: number): StepFault => ({
  path: ["with", "source"],
  message: `the header of the source seems to stand in line ${above + 1}, below ${above === 1 ? "a line" : `${above} lines`} without fields`,
  hint: `write skip_lines: ${above}`
})

const sourceFaults = (params: IngestParams): ReadonlyArray<StepFault> => {
  const sources = sourcesOf(params)
  const weighted = sources.filter(({ weight }) => weight !== undefined).length
  const faults: Array<StepFault> = []
  if (weighted > 0 && weighted < sources.length) {
    const message = `${weighted} of ${sources.length} sources have a weight`
    faults.push({ path: ["with", "source"], message, hint: "give every source a weight, or none" })
  }
  return faults
}

const seems = (guess: Guess | undefined): string =>
  guess === undefined ? "" : `the source looks like ${writtenGuess(guess)}`

const taskFaults = ({ columns, task }: IngestParams, guess: Guess | undefined): ReadonlyArray<StepFault> => {
  if (task === undefined) {
    const hint = guess === undefined ? "write task: text-classification, say" : seems(guess)
    return [{ path: ["with"], message: "`task` is missing: what are the rows for?", hint }]
  }
  const wanted = rolesOf(task)
  const foreign = Object.keys(columns ?? {}).filter((role) => !wanted.includes(role as Role))
  const faults = foreign.map((role): StepFault => ({
    path: ["with", "columns", role],
    message: `${task} has no column \`${role}\``,
    hint: suggest(role, wanted)
  }))
  if (Array.isArray(columns?.label) && shapes[task].kind !== "names") {
    const message = `${task} has one label column, and this names ${columns.label.length}`
    faults.push({
      path: ["with", "columns", "label"],
      message,
      hint: "several stand for task: multi-label-classification"
    })
  }
  return faults
}

const columnFaults = (params: IngestParams, heads: Heads, guess: Guess | undefined): ReadonlyArray<StepFault> => {
  const { columns, keep, task } = params
  if (task === undefined) return []
  const faults: Array<StepFault> = []
  for (const { name: source, spec } of sourcesOf(params)) {
    const known = heads[source]?.columns
    if (known === undefined) continue
    const which = sourcesOf(params).length === 1 ? "the source" : spec
    const missing = (name: string, path: StepFault["path"], hint: string) =>
      faults.push({ path, message: `${which} has no column "${name}"; it has ${known.join(", ")}`, hint })
    for (const role of rolesOf(task)) {
      const isWritten = columns?.[role] !== undefined
      for (const name of [columnOf(role, columns)].flat()) {
        if (known.includes(name)) continue
        if (isWritten) missing(name, ["with", "columns", role], suggest(name, known))
        else
          missing(
            name,
            ["with", ...(columns === undefined ? [] : ["columns"])],
            seems(guess) || `write columns: { ${role}: ... }`
          )
      }
    }
    keep.forEach((name, at) => known.includes(name) || missing(name, ["with", "keep", at], suggest(name, known)))
  }
  return [...faults, ...keptFaults(params)]
}

/** Words where a number is wanted, told from the first rows: the task and the data do not fit. */
const targetFaults = (params: IngestParams, heads: Heads): ReadonlyArray<StepFault> => {
  const { columns, task } = params
  if (task === undefined || shapes[task].kind !== "number") return []
  const name = [columnOf("label", columns)].flat()[0]!
  return sourcesOf(params).flatMap(({ name: source }) => {
    const words = heads[source]?.facts?.["words"] as Readonly<Record<string, string>> | undefined
    if (words === undefined || !Object.hasOwn(words, name)) return []
    const path = ["with", ...(columns?.label === undefined ? [] : ["columns", "label"])]
    const message = `${task} learns numbers, and column "${name}" holds words (\`${words[name]}\`)`
    return [{ path, message, hint: "name a column of numbers, or write task: text-classification" }]
  })
}

const keptFaults = ({ keep, task }: IngestParams): ReadonlyArray<StepFault> => {
  const taken: ReadonlyArray<string> = [
    "row_id",
    "input_ids",
    "token_type_ids",
    "length",
    "truncated",
    ...rolesOf(task!)
  ]
  return keep.flatMap((name, at) =>
    taken.includes(name)
      ? [
          {
            path: ["with", "keep", at],
            message: `the rows have a column \`${name}\` of their own`,
            hint: "rename it in the source, or leave it out"
          }
        ]
      : keep.indexOf(name) === at
        ? []
        : [{ path: ["with", "keep", at], message: `column "${name}" is kept twice`, hint: "name each column once" }]
  )
}

const labelFaults = (params: IngestParams): ReadonlyArray<StepFault> => {
  const { label_map, labels, task } = params
  if (task !== undefined && !["name", "names"].includes(shapes[task].kind)) {
    return (["labels", "label_map"] as const)
      .filter((key) => params[key] !== undefined)
      .map((key) => ({ path: ["with", key], message: `${task} has no label names`, hint: `leave ${key} out` }))
  }
  const faults: Array<StepFault> = []
  const twice = labels?.find((name, at) => labels.indexOf(name) !== at)
  if (twice !== undefined) {
    const message = `label "${twice}" is declared twice`
    faults.push({ path: ["with", "labels"], message, hint: "name each label once" })
  }
  for (const [from, to] of Object.entries(label_map ?? {})) {
    if (labels === undefined || labels.includes(to)) continue
    const message = `label "${to}" is none of those declared: ${labels.join(", ")}`
    faults.push({ path: ["with", "label_map", from], message, hint: suggest(to, labels) })
  }
  return faults
}

const selectionFaults = ({ rows, where }: IngestParams, head: SourceHead | undefined): ReadonlyArray<StepFault> => {
  const faults: Array<StepFault> = []
  if (rows !== undefined && rangeOf(rows) === undefined) {
    faults.push({
      path: ["with", "rows"],
      message: `\`${rows}\` holds no row`,
      hint: "the end is not taken: 0..1 is the first row alone"
    })
  }
  if (where === undefined) return faults
  const any = head?.columns?.map((name): [string, ValueType] => [name, "any"])
  const fault = whereFault(where, any === undefined ? undefined : Object.fromEntries(any))
  return fault === undefined ? faults : [...faults, { path: ["with", "where"], ...fault }]
}
