import { sha256 } from "../Canonical.ts"
import { PipelineFaults, sortFaults } from "../Fault.ts"
import { isRecord, type Json, type JsonObject } from "../Json.ts"
import { declaredMemory } from "../MachineResources.ts"
import { cleanedFaults, type Env } from "../Secrets.ts"
import type { OutputRef, Pipeline, PipelineStep, Registry } from "../Pipeline.ts"
import { type DecodedBlocks, decodeEnvelopeStep, decodeParams, type Digest } from "./DecodeStep.ts"
import type { Path, PipelineDocument, Place } from "./Document.ts"
import { parseText } from "./Document.ts"
import type { Envelope as EnvelopeType } from "./Envelope.ts"
import { Envelope, envelopeNotes } from "./Envelope.ts"
import type { FaultList } from "./FaultList.ts"
import { makeFaultList, startsWith } from "./FaultList.ts"
import type { Assembled, ReadInclude } from "./Include.ts"
import { assemble } from "./Include.ts"
import { expandMatrix } from "./Matrix.ts"
import type { Override } from "./Overrides.ts"
import { applyOverrides, withOverrides } from "./Overrides.ts"
import { inRunningOrder, resolveInputs } from "./References.ts"
import { decodeBlock, vocabulary } from "./SchemaFaults.ts"
import { concealer, hiddenIn, scopesOf } from "./Scopes.ts"

export interface PipelineText {
  /** As it is to stand in messages: relative to where the user is. */
  readonly file: string
  readonly text: string
  readonly sets?: ReadonlyArray<string>
  /** Values of environment variables: only those that the file declares are taken. */
  readonly env?: Env
  /** 32 hexadecimal digits for a value that is told to nobody, the same for the same value. Absent: a plain digest. */
  readonly digest?: Digest
  readonly readInclude?: ReadInclude
}

const plainDigest: Digest = (text) => sha256(text).slice(0, 32)

const noIncludes: ReadInclude = () => ({ problem: "nothing can be included here" })

const placing = (assembled: Assembled, overrides: ReadonlyArray<Override>) => {
  return (path: Path, what: "key" | "value"): Place => {
    const override = overrides.findLast((set) => startsWith(path, set.path))
    if (override?.place !== undefined) return override.place
    if (override !== undefined)
      return { file: `--set ${override.text}`, line: 1, column: 1, length: override.text.length }
    const document = assembled.documentOf(path)
    return what === "key" ? document.placeOfKey(path) : document.placeOf(path)
  }
}

const deepest = 64

/** Values that JSON cannot carry, and integers that a double does not hold, change silently if they are let through. */
const refuseOddValues = (value: Json, path: Path, faults: FaultList): void => {
  if (path.length > deepest) {
    faults.add(path, "value", "depth", `nested more than ${deepest} levels deep`, "flatten it")
    return
  }
  if (typeof value === "number") {
    if (!Number.isFinite(value)) {
      faults.add(path, "value", "number", `${value} is not a number that a param can be`, "write a finite number")
      faults.hole(path)
    } else if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      faults.add(
        path,
        "value",
        "number",
        "an integer beyond 2^53 loses digits",
        "write a smaller one, or quote it as text"
      )
      faults.hole(path)
    }
  } else if (typeof value === "string" && !value.isWellFormed()) {
    faults.add(
      path,
      "value",
      "text",
      "half of a surrogate pair is not text",
      "write the character itself, or both halves"
    )
  } else if (Array.isArray(value)) {
    value.forEach((item: Json, i) => refuseOddValues(item, [...path, i], faults))
  } else if (isRecord(value)) {
    for (const [key, item] of Object.entries(value)) refuseOddValues(item, [...path, key], faults)
  }
}

const decodeEnvelope = (value: JsonObject, faults: FaultList): EnvelopeType | undefined => {
  const envelope = decodeBlock(Envelope, value, vocabulary("key", envelopeNotes))
  for (const fault of envelope.faults) faults.add(fault.path, fault.at, fault.code, fault.message, fault.hint)
  return envelope.value as EnvelopeType | undefined
}

/** A pipeline file that is read: what it says under further overrides is found without reading it again. */
export interface PipelineReader {
  /** The file's value with its includes and `--set`s; null where it cannot be read. */
  readonly value: Json
  readonly root: PipelineDocument | undefined
  /** Every text read, by file. */
  readonly texts: Readonly<Record<string, string>>
  /** Returns every fault at once. */
  readonly decode: (overrides?: ReadonlyArray<Override>) => Pipeline | PipelineFaults
  /** What of a file with faults can be looked at further; undefined where there is nothing. */
  readonly sound: () => SoundPart | undefined
}

/** The steps of a file whose params are without fault, and those among them whose inputs are not: what flows into these is not known. */
export interface SoundPart {
  readonly pipeline: Pipeline
  readonly unsure: ReadonlySet<string>
}

/**
 * Reads a pipeline file in order: YAML, `include`, `--set`, the envelope, `matrix`, `${...}`, each step's `with` by its own Schema, and
 * each edge. What needs a look at sources (columns) is checked by `checkTypes` afterwards.
 */
export const readPipeline = (source: PipelineText, registry: Registry): PipelineReader => {
  const parsed = parseText(source.file, source.text)
  if (parsed.document === undefined) {
    const texts = { [source.file]: source.text }
    const refused = new PipelineFaults({ faults: sortFaults(parsed.faults, source.file), texts })
    return { value: null, root: undefined, texts, decode: () => refused, sound: () => undefined }
  }
  const assembled = assemble(parsed.document, source.readInclude ?? noIncludes)
  const set = applyOverrides(assembled.value, source.sets ?? [])
  const known: DecodedBlocks = new Map()
  return {
    value: set.value,
    root: parsed.document,
    texts: assembled.texts,
    decode: (further = []) => {
      const overrides = [...set.overrides, ...further]
      const faults = makeFaultList(placing(assembled, overrides), [...assembled.faults, ...set.faults])
      const value = withOverrides(set.value, further)
      const decoded = decodeValue({ source, assembled, value, registry, faults, known })
      if (decoded !== undefined && faults.list.length === 0)
        return { ...decoded.pipeline, place: placing(assembled, overrides) }
      const clean = concealer(isRecord(value) ? value["env"] : undefined, source.env ?? {})
      const told = cleanedFaults(faults.list, clean)
      return new PipelineFaults({ faults: sortFaults(told, source.file), texts: assembled.texts })
    },
    sound: () => {
      const place = placing(assembled, set.overrides)
      const decoded = decodeValue({
        source,
        assembled,
        value: set.value,
        registry,
        faults: makeFaultList(place, []),
        known
      })
      return decoded === undefined ? undefined : { ...decoded, pipeline: { ...decoded.pipeline, place } }
    }
  }
}

/** A pipeline file, or every fault of it at once: see `readPipeline`. */
export const decodePipeline = (source: PipelineText, registry: Registry): Pipeline | PipelineFaults =>
  readPipeline(source, registry).decode()

interface Decoding {
  readonly source: PipelineText
  readonly assembled: Assembled
  readonly value: Json
  readonly registry: Registry
  readonly faults: FaultList
  readonly known: DecodedBlocks
}

const decodeValue = ({
  assembled,
  faults,
  known,
  registry,
  source,
  value
}: Decoding): (Omit<SoundPart, "pipeline"> & { readonly pipeline: Omit<Pipeline, "place"> }) | undefined => {
  if (!isRecord(value)) {
    const message = assembled.root.value === null ? "the file is empty" : "a pipeline is a map"
    faults.add([], "value", "envelope", message, "start with `name: my-pipeline` and `steps:`")
    return undefined
  }
  if (typeof value["pipeline"] === "string" && value["steps"] === undefined) {
    const message = `this file is a sweep over ${value["pipeline"]}, and no pipeline`
    faults.add(["pipeline"], "key", "envelope", message, `\`hone sweep run ${source.file}\` runs it`)
    return undefined
  }
  refuseOddValues(value, [], faults)
  const envelope = decodeEnvelope(value, faults)

  const blocks = isRecord(value["steps"]) ? value["steps"] : {}
  const kinds = new Map(
    Object.entries(blocks).map(
      ([name, block]) => [name, decodeEnvelopeStep(name, block, registry, faults, known)] as const
    )
  )
  const written = Object.entries(blocks).map(([name, value]) => ({ name, value }))
  const expanded = expandMatrix(written, (uses, port) => registry[uses]?.inputs[port]?.gather === true)
  for (const fault of expanded.faults) faults.add(fault.path, "value", "matrix", fault.message, fault.hint)

  const env = source.env ?? {}
  const surroundings = {
    scopes: scopesOf(value, registry, env, faults),
    hidden: hiddenIn(value["env"], env),
    digest: source.digest ?? plainDigest
  }
  const steps = expanded.instances.flatMap((instance) => {
    const definition = kinds.get(instance.written)
    if (definition === undefined) return []
    const before = faults.list.length
    const block = blocks[instance.written] ?? null
    const decoded = decodeParams(instance, definition, block, surroundings, faults, known)
    const isSound = faults.list.length === before && decoded.params !== undefined
    return [{ ...instance, definition, ...decoded, isSound }]
  })
  const names = new Set(expanded.instances.map((instance) => instance.name))
  const definitions = new Map(steps.map((step) => [step.name, step.definition]))
  const unsure = new Set<string>()
  const resolved = steps.map((step) => {
    const block = blocks[step.written]
    // An `in` that is no map is told by the envelope: what it would name is not known.
    const readable = isRecord(block) && (block["in"] === undefined || isRecord(block["in"]))
    const before = faults.list.length
    const refs = readable ? resolveInputs(step, names, definitions, faults) : {}
    if (!readable || faults.list.length > before) unsure.add(step.name)
    return { ...step, refs }
  })
  const order = inRunningOrder(resolved, faults)
  if (envelope === undefined) return undefined

  const ready = order.flatMap(
    ({ definition, hidden, isSound, name, params, refs, written: file }): ReadonlyArray<PipelineStep> => {
      if (!isSound) return []
      const inputs: Readonly<Record<string, OutputRef>> = refs
      return [{ name, written: file, definition, params, inputs, sources: definition.sources(params), hidden }]
    }
  )
  const pipeline = {
    name: envelope.name,
    seed: envelope.seed ?? 0,
    steps: ready,
    texts: assembled.texts,
    file: source.file,
    conceal: concealer(value["env"], env),
    memory: declaredMemory(envelope.resources)
  }
  return { pipeline, unsure }
}
