import { isRecord, type Json } from "../Json.ts"
import { paramInfos } from "../Params.ts"
import type { Registry } from "../Pipeline.ts"
import { namedSecrets } from "../Secrets.ts"
import type { Step } from "../Step.ts"
import type { Path } from "./Document.ts"
import { EnvelopeStep, reservedNames, stepNotes } from "./Envelope.ts"
import type { FaultList } from "./FaultList.ts"
import type { Scopes } from "./Interpolate.ts"
import { interpolate } from "./Interpolate.ts"
import type { Instance } from "./Matrix.ts"
import { decodeBlock, vocabulary } from "./SchemaFaults.ts"
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

/** The second stage: the step's `with`, its `${...}` filled, by the kind's own Schema. */
export const decodeParams = (
  instance: Instance,
  definition: Step,
  written: Json,
  scopes: Scopes,
  faults: FaultList,
  known: DecodedBlocks
): any => {
  const path: Path = ["steps", instance.written]
  const given = isRecord(written) ? written["with"] : undefined
  if (given !== undefined && !isRecord(given)) return undefined // told by the envelope
  const own = Object.keys(instance.matrix).length > 0 ? { ...scopes, matrix: instance.matrix } : scopes
  const filled = interpolate(given ?? {}, own)
  for (const fault of filled.faults) {
    faults.add([...path, "with", ...fault.path], "value", "reference", fault.message, fault.hint)
    faults.hole([...path, "with", ...fault.path])
  }
  refuseSecrets(filled.value, definition, [...path, "with"], faults)
  const block = decodedParams(definition, filled.value, known)
  for (const fault of block.faults) {
    // What is missing has no place of its own: mark the block that lacks it, or the step where there is no block.
    const missing = fault.code.startsWith("missing_")
    const inner = given === undefined ? [] : ["with", ...fault.path.slice(0, -1)]
    faults.add(
      missing ? [...path, ...inner] : [...path, "with", ...fault.path],
      missing ? "key" : fault.at,
      fault.code,
      fault.message,
      fault.hint
    )
  }
  return block.value
}
