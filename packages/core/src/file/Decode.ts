import { Schema } from "effect"
import type { Fault } from "../Fault.ts"
import { PipelineFaults, sortFaults } from "../Fault.ts"
import type { Json, JsonObject } from "../Json.ts"
import { paramInfos } from "../Params.ts"
import type { OutputRef, Pipeline, PipelineStep, Registry } from "../Pipeline.ts"
import type { Step } from "../Step.ts"
import type { Path, PipelineDocument, Place } from "./Document.ts"
import { parseText } from "./Document.ts"
import { EnvelopeStep, envelopeKeys, envelopeNotes, reservedNames, stepKeys, stepNotes } from "./Envelope.ts"
import { interpolate } from "./Interpolate.ts"
import type { Override } from "./Overrides.ts"
import { parseOverride, setAt } from "./Overrides.ts"
import { inRunningOrder, resolveInputs } from "./References.ts"
import { decodeBlock, isRecord } from "./SchemaFaults.ts"
import { suggest } from "./Suggest.ts"

export interface PipelineText {
  /** As it is to stand in messages: relative to where the user is. */
  readonly file: string
  readonly text: string
  readonly sets?: ReadonlyArray<string>
}

/** Collects faults; every phase goes on with what it has, so that one run tells all of them. */
export interface Faults {
  readonly list: Array<Fault>
  readonly add: (path: Path, at: "key" | "value", code: string, message: string, hint: string) => void
  /** What stands at `path` is told to be wrong already: its Schema has nothing to add. */
  readonly hole: (path: Path) => void
}

const startsWith = (path: Path, prefix: Path) => prefix.every((part, i) => String(path[i]) === String(part))

const placing = (document: PipelineDocument, overrides: ReadonlyArray<Override>) => {
  return (path: Path, what: "key" | "value"): Place => {
    const override = overrides.find((set) => startsWith(path, set.path))
    if (override !== undefined) return { file: `--set ${override.text}`, line: 1, column: 1, length: override.text.length }
    return what === "key" ? document.placeOfKey(path) : document.placeOf(path)
  }
}

const applyOverrides = (value: Json, sets: ReadonlyArray<string>) => {
  const overrides: Array<Override> = []
  const faults: Array<Fault> = []
  const refuse = (text: string, message: string, hint: string) =>
    faults.push({ file: `--set ${text}`, line: 1, column: 1, length: text.length, code: "set", message, hint })
  let result = value
  for (const set of sets) {
    const override = parseOverride(set)
    if ("problem" in override) {
      refuse(set, "this does not set anything", override.problem)
      continue
    }
    const [head, name] = override.path as [string, string]
    const block = isRecord(value) && isRecord(value[head]) ? value[head] : {}
    if (head !== "seed" && !Object.hasOwn(block, name)) {
      refuse(set, `there is no ${head === "params" ? "param" : "step"} \`${name}\``, suggest(name, Object.keys(block)))
      continue
    }
    overrides.push(override)
    result = setAt(result, override.path, override.value)
  }
  return { value: result, overrides, faults }
}

const vocabulary = (noun: string, known: ReadonlyArray<string>, notes: Readonly<Record<string, string>>) => ({
  noun,
  known,
  describe: (key: string) => notes[key]
})

const top = Schema.Struct({
  name: Schema.NonEmptyString,
  seed: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4294967295 }))),
  params: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
  steps: Schema.Record(Schema.String, Schema.Unknown)
})

const stepName = /^[A-Za-z_][A-Za-z0-9_-]*$/u

const decodeParams = (definition: Step, written: Json | undefined, path: Path, faults: Faults): any => {
  const infos = paramInfos(definition.params)
  const notes = Object.fromEntries(infos.map((info) => [info.name, info.description]))
  const words = vocabulary("param", infos.map((info) => info.name), notes)
  const block = decodeBlock(definition.params, written ?? {}, words)
  for (const fault of block.faults) {
    // What is missing has no place of its own: mark the block that lacks it, or the step where there is no block.
    const missing = fault.code.startsWith("missing_")
    const at = missing ? [...path, ...(written === undefined ? [] : ["with", ...fault.path.slice(0, -1)])] : [...path, "with", ...fault.path]
    faults.add(at, missing ? "key" : fault.at, fault.code, fault.message, fault.hint)
  }
  return block.value
}

interface WrittenStep {
  readonly name: string
  readonly definition: Step
  readonly params: any
  readonly inputs: Readonly<Record<string, string>>
}

const decodeStep = (name: string, written: Json, registry: Registry, faults: Faults): WrittenStep | undefined => {
  const path: Path = ["steps", name]
  if (!stepName.test(name) || (reservedNames as ReadonlyArray<string>).includes(name)) {
    const hint = `start with a letter; use letters, digits, _ and -; not one of ${reservedNames.join(", ")}`
    faults.add(path, "key", "step_name", `\`${name}\` cannot name a step`, hint)
  }
  const block = decodeBlock(EnvelopeStep, written, vocabulary("key", stepKeys, stepNotes))
  for (const fault of block.faults) {
    const missing = fault.code.startsWith("missing_")
    faults.add(missing ? path : [...path, ...fault.path], missing ? "key" : fault.at, fault.code, fault.message, fault.hint)
  }
  const uses = isRecord(written) && typeof written["uses"] === "string" ? written["uses"] : undefined
  if (uses === undefined) return undefined
  const definition = Object.hasOwn(registry, uses) ? registry[uses] : undefined
  if (definition === undefined) {
    const hint = suggest(uses, Object.keys(registry))
    faults.add([...path, "uses"], "value", "unknown_step_kind", `no step kind \`${uses}\``, hint)
    return undefined
  }
  const given = isRecord(written) ? written["with"] : undefined
  const params = given === undefined || isRecord(given) ? decodeParams(definition, given, path, faults) : undefined
  const inputs = isRecord(written) && isRecord(written["in"]) ? written["in"] : {}
  const strings = Object.entries(inputs).filter((entry): entry is [string, string] => typeof entry[1] === "string")
  return { name, definition, params, inputs: Object.fromEntries(strings) }
}

/** Values that JSON cannot carry, and integers that a double does not hold, change silently if they are let through. */
const refuseOddValues = (value: Json, path: Path, faults: Faults): void => {
  if (typeof value === "number") {
    if (!Number.isFinite(value)) {
      faults.add(path, "value", "number", `${value} is not a number that a param can be`, "write a finite number")
      faults.hole(path)
    } else if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      faults.add(path, "value", "number", "an integer beyond 2^53 loses digits", "write a smaller one, or quote it as text")
      faults.hole(path)
    }
  } else if (typeof value === "string" && !value.isWellFormed()) {
    faults.add(path, "value", "text", "half of a surrogate pair is not text", "write the character itself, or both halves")
  } else if (Array.isArray(value)) {
    value.forEach((item: Json, i) => refuseOddValues(item, [...path, i], faults))
  } else if (isRecord(value)) {
    for (const [key, item] of Object.entries(value)) refuseOddValues(item, [...path, key], faults)
  }
}

/**
 * Reads a pipeline file: YAML, `--set`, `${...}`, the envelope, then each step's `with` by its own Schema and each edge.
 * What needs a look at sources (columns) is checked by `checkTypes` afterwards. Throws nothing; returns every fault at once.
 */
export const decodePipeline = (source: PipelineText, registry: Registry): Pipeline | PipelineFaults => {
  const fail = (faults: ReadonlyArray<Fault>) => new PipelineFaults({ faults: sortFaults(faults), text: source.text })
  const parsed = parseText(source.file, source.text)
  const document = parsed.document
  if (document === undefined) return fail(parsed.faults)

  const set = applyOverrides(document.value, source.sets ?? [])
  const place = placing(document, set.overrides)
  const list: Array<Fault> = [...set.faults]
  const holes: Array<Path> = []
  const faults: Faults = {
    list,
    add: (path, at, code, message, hint) => {
      if (code === "wrong_value" && holes.some((hole) => startsWith(path, hole))) return
      list.push({ ...place(path, at), code, message, hint })
    },
    hole: (path) => void holes.push(path)
  }
  if (!isRecord(set.value)) {
    const hint = "start with `name: my-pipeline` and `steps:`"
    faults.add([], "value", "envelope", document.value === null ? "the file is empty" : "a pipeline is a map", hint)
    return fail(list)
  }

  refuseOddValues(set.value, [], faults)
  const params = isRecord(set.value["params"]) ? set.value["params"] : {}
  const filled = interpolate(set.value["steps"] ?? null, { params })
  for (const fault of filled.faults) {
    faults.add(["steps", ...fault.path], "value", "reference", fault.message, fault.hint)
    faults.hole(["steps", ...fault.path])
  }

  const value: JsonObject = "steps" in set.value ? { ...set.value, steps: filled.value } : set.value
  const envelope = decodeBlock(top, value, vocabulary("key", envelopeKeys, envelopeNotes))
  for (const fault of envelope.faults) faults.add(fault.path, fault.at, fault.code, fault.message, fault.hint)

  const written = isRecord(filled.value) ? Object.entries(filled.value) : []
  const bad = new Set<string>()
  const steps = written.flatMap(([name, step]) => {
    const before = list.length
    const decoded = decodeStep(name, step, registry, faults)
    if (list.length > before) bad.add(name)
    return decoded === undefined ? [] : [decoded]
  })
  const names = new Set(written.map(([name]) => name))
  const kinds = new Map(steps.map((step) => [step.name, step.definition]))
  const resolved = steps.map((step) => ({ ...step, refs: resolveInputs(step, names, kinds, faults) }))
  const order = inRunningOrder(resolved, faults)
  if (list.length > 0) return fail(list)

  const ready = order.map(({ definition, name, params: decoded, refs }): PipelineStep => {
    return { name, definition, params: decoded, inputs: refs as Readonly<Record<string, OutputRef>>, sources: definition.sources(decoded) }
  })
  const decodedTop = envelope.value as typeof top.Type
  return { name: decodedTop.name, seed: decodedTop.seed ?? 0, steps: ready, document, params, place }
}
