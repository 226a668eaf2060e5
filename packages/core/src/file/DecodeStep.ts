import { canonicalJson } from "../Canonical.ts"
import { isRecord, type Json } from "../Json.ts"
import { paramInfos } from "../Params.ts"
import type { Registry } from "../Pipeline.ts"
import { namedSecrets, placeholder, veiled, withoutValue } from "../Secrets.ts"
import type { Step } from "../Step.ts"
import type { Path } from "./Document.ts"
import { EnvelopeStep, reservedNames, stepNotes } from "./Envelope.ts"
import type { FaultList } from "./FaultList.ts"
import type { Scopes, Taken } from "./Interpolate.ts"
import { interpolate } from "./Interpolate.ts"
import type { Instance } from "./Matrix.ts"
import { decodeBlock, valueAt, vocabulary } from "./SchemaFaults.ts"
import { suggest } from "./Suggest.ts"

const stepName = /^[A-Za-z][A-Za-z0-9_-]*$/u

/** The first stage for one step: its name, its keys, and the kind that `uses` names. */
export const decodeEnvelopeStep = (
  name: string,
  written: Json,
  registry: Registry,
  faults: FaultList,
  known: DecodedBlocks
): Step | undefined => {
  const path: Path = ["steps", name]
  if (!stepName.test(name) || (reservedNames as ReadonlyArray<string>).includes(name)) {
    const hint = `start with a letter; use letters, digits, _ and -; not one of ${reservedNames.join(", ")}`
    faults.add(path, "key", "step_name", `\`${name}\` cannot name a step`, hint)
  }
  const block = once(known, `step ${JSON.stringify(written)}`, () =>
    decodeBlock(EnvelopeStep, written, vocabulary("key", stepNotes))
  )
  for (const fault of block.faults) {
    const missing = fault.code.startsWith("missing_")
    faults.add(
      missing ? path : [...path, ...fault.path],
      missing ? "key" : fault.at,
      fault.code,
      fault.message,
      fault.hint
    )
  }
  const uses = isRecord(written) && typeof written["uses"] === "string" ? written["uses"] : undefined
  if (uses === undefined) return undefined
  const definition = Object.hasOwn(registry, uses) ? registry[uses] : undefined
  if (definition === undefined) {
    faults.add(
      [...path, "uses"],
      "value",
      "unknown_step_kind",
      `no step kind \`${uses}\``,
      suggest(uses, Object.keys(registry))
    )
  }
  return definition
}

/** The secrets that a filled value still names: they stand for themselves, all else has been replaced. */
const secretsNamed = (value: Json): ReadonlyArray<string> => {
  if (typeof value === "string") return namedSecrets(value)
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(secretsNamed) : []
}

/** A secret that enters a key would change results, and could be guessed from them. */
const refuseSecrets = (filled: Json, definition: Step, path: Path, faults: FaultList): void => {
  if (!isRecord(filled)) return
  for (const { name, role } of paramInfos(definition.params)) {
    if (role !== "semantic" || !Object.hasOwn(filled, name)) continue
    for (const secret of new Set(secretsNamed(filled[name]!))) {
      const message = `the secret \`${secret}\` would change the result: \`${name}\` is part of the key`
      faults.add([...path, name], "value", "secret", message, "take it only where it opens a source")
      faults.hole([...path, name])
    }
  }
}

/** Blocks that were decoded before, by kind and text: trials of a sweep have most of theirs in common, and share the very params. */
export type DecodedBlocks = Map<string, ReturnType<typeof decodeBlock>>

const once = (known: DecodedBlocks, id: string, decode: () => ReturnType<typeof decodeBlock>) => {
  const block = known.get(id) ?? decode()
  known.set(id, block)
  return block
}

const decodedParams = (definition: Step, value: Json, known: DecodedBlocks) =>
  once(known, `params of ${definition.kind} ${JSON.stringify(value)}`, () => {
    const notes = Object.fromEntries(paramInfos(definition.params).map((info) => [info.name, info.description]))
    return decodeBlock(definition.params, value, vocabulary("param", notes))
  })

/** Tells values apart without telling them; or why it cannot. */
export type Digest = (text: string) => string | { readonly problem: string; readonly hint: string }

/** What the environment gives, and how it is kept to oneself. */
export interface Surroundings {
  readonly scopes: Scopes
  /** Variables whose values are told to nobody. */
  readonly hidden: ReadonlySet<string>
  readonly digest: Digest
}

/** A step's `with` as decoded, and what stands for the params of the key that the environment gave. */
export interface DecodedParams {
  readonly params: any
  readonly hidden: Readonly<Record<string, string>>
}

/** Hidden variables by the param that took them. */
const takenBy = (
  taken: ReadonlyArray<Taken>,
  hidden: ReadonlySet<string>
): ReadonlyMap<string, ReadonlyArray<string>> => {
  const params = new Map<string, ReadonlyArray<string>>()
  for (const { names, path } of taken) {
    const param = String(path[0])
    const all = new Set([...(params.get(param) ?? []), ...names.filter((name) => hidden.has(name))])
    if (all.size > 0) params.set(param, [...all])
  }
  return params
}

/** What a fault says of a param, without the value that the environment gave it. */
const wordsWithout = (value: Json | undefined, names: ReadonlyArray<string> | undefined) => (text: string) =>
  names === undefined || value === undefined ? text : withoutValue(text, value, names.map(placeholder).join(""))

/** The second stage: the step's `with`, its `${...}` filled, by the kind's own Schema. */
export const decodeParams = (
  instance: Instance,
  definition: Step,
  written: Json,
  { digest, hidden, scopes }: Surroundings,
  faults: FaultList,
  known: DecodedBlocks
): DecodedParams => {
  const path: Path = ["steps", instance.written]
  const given = isRecord(written) ? written["with"] : undefined
  if (given !== undefined && !isRecord(given)) return { params: undefined, hidden: {} } // told by the envelope
  const own = Object.keys(instance.matrix).length > 0 ? { ...scopes, matrix: instance.matrix } : scopes
  const filled = interpolate(given ?? {}, own)
  for (const fault of filled.faults) {
    faults.add([...path, "with", ...fault.path], "value", "reference", fault.message, fault.hint)
    faults.hole([...path, "with", ...fault.path])
  }
  refuseSecrets(filled.value, definition, [...path, "with"], faults)
  const taken = takenBy(filled.taken, hidden)
  const block = decodedParams(definition, filled.value, known)
  for (const fault of block.faults) {
    // What is missing has no place of its own: mark the block that lacks it, or the step where there is no block.
    const missing = fault.code.startsWith("missing_")
    const inner = given === undefined ? [] : ["with", ...fault.path.slice(0, -1)]
    const clean = wordsWithout(valueAt(filled.value, fault.path) as Json | undefined, taken.get(String(fault.path[0])))
    faults.add(
      missing ? [...path, ...inner] : [...path, "with", ...fault.path],
      missing ? "key" : fault.at,
      fault.code,
      clean(fault.message),
      clean(fault.hint)
    )
  }
  if (block.value === undefined) return { params: undefined, hidden: {} }
  const veils: Record<string, string> = {}
  for (const { name, role } of paramInfos(definition.params)) {
    const names = taken.get(name)
    if (names === undefined || role !== "semantic" || block.value[name] === undefined) continue
    const told = digest(canonicalJson(block.value[name] as Json))
    if (typeof told === "string") veils[name] = veiled(names, told)
    else faults.add([...path, "with", name], "value", "env", told.problem, told.hint)
  }
  return { params: block.value, hidden: veils }
}
