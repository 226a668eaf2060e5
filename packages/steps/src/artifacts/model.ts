import { endianness } from "node:os"
import type { OutputArtifact } from "@hone/core/Stage"
import type { Table } from "apache-arrow"
import { binary, type Column, listInt32, offsetsOf, utf8 } from "../arrow/columns.ts"
import { binaries, readTable, strings } from "../arrow/reader.ts"
import { TableWriter } from "../arrow/writer.ts"
import {
  elements,
  modelContent,
  modelFacts,
  type ModelManifest,
  prefixViews,
  type TensorEntry,
  tensorDigest
} from "./manifest.ts"

/** A tensor in memory: row-major float32 of this shape. */
export interface Tensor {
  readonly shape: ReadonlyArray<number>
  readonly values: Float32Array
}

/** A model artifact that was opened: its manifest, the list of its tensors, and each tensor's values when asked for. */
export interface Model {
  readonly manifest: ModelManifest
  /** In the order of the names. */
  readonly tensors: ReadonlyArray<TensorEntry>
  /** Content digest, computed from what was read. */
  readonly content: string
  /**
   * The values of one tensor, a view of the file. The first tensor of a linked file reads and checks that file whole.
   * Throws TypeError for a name that the model lacks; StageError `artifact_corrupt` or `artifact_missing` as the readers do.
   */
  readonly read: (name: string) => Float32Array
  /** The file that holds a tensor, by its SHA-256. */
  readonly blobOf: (name: string) => string
}

/** A list entry as stored: `blob` names the linked file that holds the bytes, null is this file. */
type StoredEntry = TensorEntry & { readonly blob: string | null }

const MANIFEST = "hone.manifest"
const TENSORS = "hone.tensors"
/** Tensors are gathered into batches of about this size; a larger one has a batch to itself. */
const BATCH_BYTES = 64 << 20

if (endianness() !== "LE") throw new Error("artifacts are little-endian, and so must be the machine")

/**
 * Opens a model artifact. Its own bytes are checked at once, those of linked files when first used.
 * @param blobPath where the blob with a given SHA-256 lies
 */
export const readModel = (
  artifact: { readonly path: string; readonly blob: string },
  blobPath: (blob: string) => string
): Model => {
  const own = readTable(artifact)
  const manifest = JSON.parse(metadata(own, MANIFEST)) as ModelManifest
  const stored = JSON.parse(metadata(own, TENSORS)) as ReadonlyArray<StoredEntry>
  const entries = new Map(stored.map((entry) => [entry.name, entry]))
  const files = new Map([[artifact.blob, byName(own)]])
  const blobOf = (name: string): string => {
    const entry = entries.get(name)
    if (entry === undefined) throw new TypeError(`the model has no tensor ${name}`)
    return entry.blob ?? artifact.blob
  }
  const file = (blob: string) => {
    const opened = files.get(blob) ?? byName(readTable({ path: blobPath(blob), blob }))
    files.set(blob, opened)
    return opened
  }
  const tensors = stored.map(({ digest, dtype, name, shape }) => ({ name, dtype, shape, digest }))
  return {
    manifest,
    tensors,
    content: modelContent(manifest, tensors),
    blobOf,
    read: (name) => floats(file(blobOf(name)).get(name)!)
  }
}

export interface ModelToWrite {
  readonly folder: string
  readonly file: string
  readonly manifest: ModelManifest
  /** The model that this one differs from: its tensors stay in their files and are linked. */
  readonly from?: Model
  /** New or changed tensors by name. One whose bytes are those of `from` is linked all the same. */
  readonly tensors: ReadonlyMap<string, Tensor>
  /** Names of `from` that this model no longer has. */
  readonly dropped?: ReadonlyArray<string>
}

/** Writes a model as one Arrow file: whole, or as the difference to another. The content digest does not tell which. */
export const writeModel = (model: ModelToWrite): OutputArtifact => {
  const { manifest, tensors } = model
  const entries = entriesOf(model)
  const own = entries.filter(({ blob }) => blob === null)
  const writer = new TableWriter(model.folder, model.file, {
    metadata: { [MANIFEST]: JSON.stringify(manifest), [TENSORS]: JSON.stringify(entries) }
  })
  try {
    for (const batch of batches(own)) writer.write(columns(batch, tensors))
    return writer.finish({
      facts: modelFacts(manifest, entries),
      content: modelContent(manifest, entries),
      views: prefixViews(manifest, entries),
      links: [...new Set(entries.flatMap(({ blob }) => (blob === null ? [] : [blob])))].sort()
    })
  } catch (error) {
    writer.abandon()
    throw error
  }
}

/** The list of the model to be, sorted by name, each tensor with the file that holds it. */
const entriesOf = ({ dropped = [], from, tensors }: ModelToWrite): ReadonlyArray<StoredEntry> => {
  const entries = new Map<string, StoredEntry>()
  for (const entry of from?.tensors ?? []) {
    if (!dropped.includes(entry.name)) entries.set(entry.name, { ...entry, blob: from!.blobOf(entry.name) })
  }
  for (const [name, { shape, values }] of tensors) {
    if (values.length !== elements(shape))
      throw new TypeError(`${name}: ${values.length} values do not fill ${shape.join(" x ")}`)
    const digest = tensorDigest(name, shape, bytesOf(values))
    if (entries.get(name)?.digest !== digest) entries.set(name, { name, dtype: "float32", shape, digest, blob: null })
  }
  return [...entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Groups of at most BATCH_BYTES, and at least one (perhaps empty) group, which carries the schema. */
const batches = (entries: ReadonlyArray<StoredEntry>): ReadonlyArray<ReadonlyArray<StoredEntry>> => {
  const groups: Array<Array<StoredEntry>> = [[]]
  let filled = 0
  for (const entry of entries) {
    const size = 4 * elements(entry.shape)
    if (filled + size > BATCH_BYTES && groups.at(-1)!.length > 0) {
      groups.push([])
      filled = 0
    }
    groups.at(-1)!.push(entry)
    filled += size
  }
  return groups
}

const columns = (
  entries: ReadonlyArray<StoredEntry>,
  tensors: ReadonlyMap<string, Tensor>
): Readonly<Record<string, Column>> => ({
  name: utf8(entries.map(({ name }) => name)),
  dtype: utf8(entries.map(({ dtype }) => dtype)),
  shape: listInt32(
    Int32Array.from(entries.flatMap(({ shape }) => shape)),
    offsetsOf(entries.map(({ shape }) => shape.length))
  ),
  bytes: binary(entries.map(({ name }) => bytesOf(tensors.get(name)!.values)))
})

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

const byName = (table: Table): ReadonlyMap<string, Uint8Array> => {
  const bytes = binaries(table, "bytes")
  return new Map(strings(table, "name").map((name, row) => [name, bytes[row]!]))
}

/** A view where the bytes are aligned, else a copy. */
const floats = (bytes: Uint8Array): Float32Array =>
  bytes.byteOffset % 4 === 0
    ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
    : new Float32Array(bytes.slice().buffer)

const metadata = (table: Table, key: string): string => {
  const value = table.schema.metadata.get(key)
  if (value === undefined) throw new TypeError(`not a model artifact: its metadata has no ${key}`)
  return value
}
