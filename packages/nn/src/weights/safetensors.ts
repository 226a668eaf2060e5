import { type FileHandle, open } from "node:fs/promises"
import { headerKeys } from "./jsonKeys.ts"
import { toFloat32 } from "./floats.ts"

/** Bytes per element of each dtype that the format knows. Only the float types of 16 and 32 bits can be read. */
const dtypeBytes = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1
} as const
export type SafetensorsDType = keyof typeof dtypeBytes

/** A header larger than this is refused, as the reference implementation does. */
const MAX_HEADER_BYTES = 100_000_000
/** How much of a tensor is read at a time. */
const CHUNK_BYTES = 8 << 20

export type SafetensorsFault =
  | "too-short"
  | "header-too-long"
  | "not-utf8"
  | "not-json"
  | "duplicate-name"
  | "bad-entry"
  | "bad-dtype"
  | "bad-offsets"
  | "bad-size"

/** A file that is not valid safetensors, or holds what cannot be read here. Nothing of its tensors has been allocated. */
export class BadSafetensors extends Error {
  override readonly name = "BadSafetensors"
  readonly fault: SafetensorsFault
  readonly tensor: string | undefined
  constructor(fault: SafetensorsFault, detail: string, tensor?: string) {
    super(
      tensor === undefined
        ? `not a valid safetensors file: ${detail}`
        : `not a valid safetensors file: tensor "${tensor}" ${detail}`
    )
    this.fault = fault
    this.tensor = tensor
  }
}

/** Random access to bytes: an open file, a blob, a part of memory. */
export interface ByteSource {
  readonly size: number
  /** Exactly `length` bytes; they need only be valid until the next read. */
  readonly read: (offset: number, length: number) => Promise<Uint8Array>
}

export interface TensorInfo {
  readonly name: string
  readonly dtype: SafetensorsDType
  readonly shape: ReadonlyArray<number>
  /** Bytes from the start of the file, [begin, end). */
  readonly begin: number
  readonly end: number
}

export interface Safetensors {
  readonly tensors: ReadonlyMap<string, TensorInfo>
  readonly metadata: Readonly<Record<string, string>>
  /** A tensor's values, widened to float32. */
  readonly read: (name: string) => Promise<Float32Array>
}

/** Reads and checks the header. Fails with BadSafetensors. */
export async function readSafetensors(source: ByteSource): Promise<Safetensors> {
  if (source.size < 8) throw new BadSafetensors("too-short", `it has ${source.size} bytes`)
  const prefix = await source.read(0, 8)
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true)
  if (length > BigInt(source.size - 8))
    throw new BadSafetensors("header-too-long", `its header says ${length} bytes, the file has ${source.size}`)
  if (length > BigInt(MAX_HEADER_BYTES))
    throw new BadSafetensors("header-too-long", `its header has ${length} bytes, at most ${MAX_HEADER_BYTES} are read`)
  const dataStart = 8 + Number(length)
  const { metadata, tensors } = parseHeader(await source.read(8, Number(length)), dataStart, source.size - dataStart)
  return {
    tensors,
    metadata,
    read: async (name) => {
      const info = tensors.get(name)
      if (info === undefined) throw new BadSafetensors("bad-entry", "is not in the file", name)
      return readTensor(source, info)
    }
  }
}

/** A safetensors file on disk. Close it when done. */
export async function openSafetensors(
  path: string
): Promise<Safetensors & AsyncDisposable & { readonly close: () => Promise<void> }> {
  const file = await open(path, "r")
  try {
    const { size } = await file.stat()
    const parsed = await readSafetensors({ size, read: (offset, length) => readExactly(file, offset, length) })
    const close = () => file.close()
    return { ...parsed, close, [Symbol.asyncDispose]: close }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function readExactly(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(length)
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(buffer, done, length - done, offset + done)
    if (bytesRead === 0) throw new BadSafetensors("too-short", "it ended while it was read")
    done += bytesRead
  }
  return buffer
}

interface Header {
  readonly tensors: Map<string, TensorInfo>
  readonly metadata: Readonly<Record<string, string>>
}

function parseHeader(bytes: Uint8Array, dataStart: number, dataLength: number): Header {
  const json = parseJson(bytes)
  const tensors = new Map<string, TensorInfo>()
  let metadata: Record<string, string> = {}
  for (const [name, entry] of Object.entries(json)) {
    if (name === "__metadata__") metadata = parseMetadata(entry)
    else tensors.set(name, parseEntry(name, entry, dataStart, dataLength))
  }
  checkLayout([...tensors.values()], dataStart, dataLength)
  return { metadata, tensors }
}

function parseJson(bytes: Uint8Array): Record<string, unknown> {
  let text: string
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new BadSafetensors("not-utf8", "its header is not UTF-8")
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new BadSafetensors("not-json", `its header is not JSON: ${(error as Error).message}`)
  }
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new BadSafetensors("not-json", "its header is not an object")
  const seen = new Set<string>()
  for (const key of headerKeys(text)) {
    if (seen.has(key)) throw new BadSafetensors("duplicate-name", "occurs twice", key)
    seen.add(key)
  }
  return json as Record<string, unknown>
}

function parseMetadata(entry: unknown): Record<string, string> {
  const valid =
    typeof entry === "object" && entry !== null && Object.values(entry).every((value) => typeof value === "string")
  if (!valid) throw new BadSafetensors("bad-entry", "its metadata is not a map of strings")
  return entry as Record<string, string>
}

const isSize = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0

function parseEntry(name: string, entry: unknown, dataStart: number, dataLength: number): TensorInfo {
  const fields = typeof entry === "object" && entry !== null ? (entry as Record<string, unknown>) : {}
  const { data_offsets: offsets, dtype, shape } = fields
  if (typeof dtype !== "string" || !Object.hasOwn(dtypeBytes, dtype))
    throw new BadSafetensors("bad-dtype", `has dtype ${JSON.stringify(dtype)}`, name)
  if (!Array.isArray(shape) || !shape.every(isSize)) throw new BadSafetensors("bad-entry", "has no valid shape", name)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize))
    throw new BadSafetensors("bad-offsets", "has no valid offsets", name)
  const [begin, end] = offsets as [number, number]
  if (begin > end || end > dataLength)
    throw new BadSafetensors("bad-offsets", `lies at ${begin} to ${end} of ${dataLength} bytes`, name)
  const bytes = (shape as Array<number>).reduce((a, b) => a * b, dtypeBytes[dtype as SafetensorsDType])
  if (bytes !== end - begin)
    throw new BadSafetensors(
      "bad-size",
      `has shape [${shape.join(", ")}] of ${dtype}, ${bytes} bytes, and ${end - begin} bytes of data`,
      name
    )
  return { name, dtype: dtype as SafetensorsDType, shape, begin: dataStart + begin, end: dataStart + end }
}

/** The data must be covered without overlaps or holes, as the format demands. */
function checkLayout(tensors: ReadonlyArray<TensorInfo>, dataStart: number, dataLength: number): void {
  let position = dataStart
  for (const { begin, end, name } of tensors.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== position)
      throw new BadSafetensors("bad-offsets", begin < position ? "overlaps another" : "follows a hole", name)
    position = end
  }
  if (position !== dataStart + dataLength)
    throw new BadSafetensors("bad-offsets", "bytes at its end belong to no tensor")
}

async function readTensor(source: ByteSource, { begin, dtype, end, name }: TensorInfo): Promise<Float32Array> {
  if (dtype !== "F32" && dtype !== "F16" && dtype !== "BF16")
    throw new BadSafetensors("bad-dtype", `has dtype ${dtype}; F32, F16 and BF16 can be read`, name)
  const width = dtypeBytes[dtype]
  const result = new Float32Array((end - begin) / width)
  for (let offset = begin; offset < end; offset += CHUNK_BYTES) {
    const chunk = await source.read(offset, Math.min(CHUNK_BYTES, end - offset))
    toFloat32[dtype](chunk, result, (offset - begin) / width)
  }
  return result
}

/** A tensor to be written. */
export interface TensorToWrite {
  readonly name: string
  readonly shape: ReadonlyArray<number>
  readonly values: Float32Array
}

/** The bytes in front of the data: the length and the header, padded so that the data starts at a multiple of 8. */
export function safetensorsHeader(
  tensors: ReadonlyArray<Omit<TensorToWrite, "values">>,
  metadata: Readonly<Record<string, string>> = {}
): Uint8Array {
  const entries: Array<[string, unknown]> = Object.keys(metadata).length > 0 ? [["__metadata__", metadata]] : []
  let position = 0
  for (const { name, shape } of tensors) {
    const end = position + 4 * shape.reduce((a, b) => a * b, 1)
    entries.push([name, { dtype: "F32", shape, data_offsets: [position, end] }])
    position = end
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)))
  const padded = Math.ceil(json.length / 8) * 8
  const header = new Uint8Array(8 + padded).fill(0x20)
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true)
  header.set(json, 8)
  return header
}

/** Writes float32 tensors, in the order given. */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyArray<TensorToWrite>,
  metadata?: Readonly<Record<string, string>>
): Promise<void> {
  const file = await open(path, "w")
  try {
    await file.writeFile(safetensorsHeader(tensors, metadata))
    for (const { values } of tensors)
      await file.writeFile(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  } finally {
    await file.close()
  }
}
