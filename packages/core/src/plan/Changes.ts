import { isRecord, type Json } from "../Json.ts"
import { shownVeil } from "../Secrets.ts"
import type { Preimage } from "../record/ActionRecord.ts"

/** A field in which two preimages differ: `params.learning_rate`, `inputs.train`, `step.implementation`. */
export interface Change {
  readonly field: string
  readonly before: Json | undefined
  readonly after: Json | undefined
}

const compare = (before: Json | undefined, after: Json | undefined, field: string, out: Array<Change>): void => {
  if (isRecord(before) && isRecord(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      compare(before[key], after[key], field === "" ? key : `${field}.${key}`, out)
    }
  } else if (JSON.stringify(before) !== JSON.stringify(after)) {
    out.push({ field, before, after })
  }
}

/** Every field that differs, params first: what a person changed comes before what follows from it. */
export const changesBetween = (before: Preimage, after: Preimage): ReadonlyArray<Change> => {
  const out: Array<Change> = []
  compare(before as unknown as Json, after as unknown as Json, "", out)
  const rank = (change: Change) =>
    ["params", "sources", "seed", "inputs", "step", "numerics"].indexOf(change.field.split(".")[0]!)
  return out.sort((a, b) => rank(a) - rank(b))
}

const short = (value: Json | undefined): string => {
  if (value === undefined) return "absent"
  const text = typeof value === "string" && shownVeil(value) !== value ? shownVeil(value) : JSON.stringify(value)
  return text.length > 48 ? `${text.slice(0, 45)}...` : text
}

/** A change in words: `learning_rate: 0.0002 -> 0.0001`. */
export const describeChange = ({ after, before, field }: Change): string => {
  const [head, ...rest] = field.split(".")
  const name = rest.join(".")
  if (head === "params" && short(before) === short(after)) return `${name}: another value of ${short(after)}`
  if (head === "params") return `${name}: ${short(before)} -> ${short(after)}`
  if (head === "inputs")
    return before === undefined
      ? `input ${name} is new`
      : after === undefined
        ? `input ${name} is gone`
        : `input ${name} changed`
  if (head === "sources") {
    const source = name.split(".")[0]
    return name.endsWith("format")
      ? `${source} read as ${short(after)}, was ${short(before)}`
      : `the bytes of ${source} changed`
  }
  if (field === "seed") return `seed: ${short(before)} -> ${short(after)}`
  if (field === "step.implementation") return "its code changed"
  if (field === "step.version") return `its version: ${short(before)} -> ${short(after)}`
  if (head === "numerics") return `${name === "class" ? "engine" : name}: ${short(before)} -> ${short(after)}`
  return `${field}: ${short(before)} -> ${short(after)}`
}

const told = 3

/** The first changes in words, the rest counted: a plan has one line for a step. */
export const describeChanges = (changes: ReadonlyArray<Change>): string => {
  const words = changes.slice(0, told).map(describeChange)
  return [...words, ...(changes.length > told ? [`${changes.length - told} more`] : [])].join("; ")
}
