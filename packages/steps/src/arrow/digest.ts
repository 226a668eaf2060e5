import { createHash, type Hash } from "node:crypto"
import { fingerprint } from "@hone/core/Canonical"
import type { Json } from "@hone/core/Json"
import { type Data, DataType, type Dictionary, type List, type RecordBatch, type Schema } from "apache-arrow"

/**
 * The content of a table as a stream of batches, one digest a column. What counts: names, types, nullability, values, the set of
 * names of a dictionary (those that no row uses too: a head is made from them), and the metadata that the writer says counts.
 * What does not: batch boundaries, padding, the order and index type of a dictionary, whether a column without nulls has a null
 * buffer, what lies under a null. All NaNs are one value; 0 and -0 are two. Bytes are little-endian, as Arrow's are.
 */
export class ContentDigest {
  readonly #columns = new Map<string, ColumnDigest>()
  #fields: ReadonlyArray<{ readonly name: string; readonly type: string; readonly nullable: boolean }> | undefined
  #rows = 0

  /** Throws TypeError when the batch's schema differs from the first one's. */
  update(batch: RecordBatch): void {
    const fields = fieldsOf(batch.schema)
    this.#fields ??= fields
    if (JSON.stringify(fields) !== JSON.stringify(this.#fields))
      throw new TypeError("batches of one table differ in their fields")
    batch.schema.fields.forEach((field, index) => {
      const digest = this.#columns.get(field.name) ?? columnDigest(field.type)
      this.#columns.set(field.name, digest)
      const data = batch.data.children[index]!
      digest.feed(data, 0, data.length)
    })
    this.#rows += batch.numRows
  }

  get rows(): number {
    return this.#rows
  }

  /** The digest of the whole and of each column by name. `metadata` is what of the file's metadata counts. May be called once. */
  finish(metadata: Json = {}): {
    readonly content: string
    readonly columns: Readonly<Record<string, string>>
  } {
    const fields = (this.#fields ?? []).map((field) => ({
      ...field,
      values: this.#columns.get(field.name)!.finish()
    }))
    const columns = Object.fromEntries(
      fields.map(({ name, ...column }) => [name, fingerprint("hone-column/1", { ...column, rows: this.#rows })])
    )
    return {
      content: fingerprint("hone-content/1", { rows: this.#rows, fields, metadata }),
      columns
    }
  }
}

/** The digest of some columns as one view, by their column digests: their order does not count. */
export const viewDigest = (columns: Readonly<Record<string, string>>): string => fingerprint("hone-view/1", columns)

/** A type as digests and messages spell it: `utf8`, `list<int32>`, `dictionary<utf8>`. Throws TypeError on types that no artifact has. */
export const typeName = (type: DataType): string => {
  if (DataType.isUtf8(type)) return "utf8"
  if (DataType.isBinary(type)) return "binary"
  if (DataType.isBool(type)) return "bool"
  if (DataType.isInt(type)) return `${type.isSigned ? "" : "u"}int${type.bitWidth}`
  if (DataType.isFloat(type)) return ["float16", "float32", "float64"][type.precision]!
  if (DataType.isDictionary(type)) return `dictionary<${typeName(type.dictionary as DataType)}>`
  if (DataType.isList(type)) return `list<${typeName((type as List).valueType as DataType)}>`
  throw new TypeError(`no content digest for Arrow type ${String(type)}`)
}

const fieldsOf = (schema: Schema) =>
  schema.fields.map((field) => ({
    name: field.name,
    type: typeName(field.type),
    nullable: field.nullable
  }))

interface ColumnDigest {
  /** Rows `start` to `end` of `data`, counted within it. */
  readonly feed: (data: Data, start: number, end: number) => void
  readonly finish: () => Json
}

const columnDigest = (type: DataType): ColumnDigest => withNulls(valuesDigest(type))

const valuesDigest = (type: DataType): ColumnDigest => {
  if (DataType.isUtf8(type) || DataType.isBinary(type)) return bytesDigest()
  if (DataType.isBool(type)) return boolDigest()
  if (DataType.isFloat(type)) return floatDigest()
  if (DataType.isInt(type)) return numbersDigest()
  if (DataType.isDictionary(type)) return dictionaryDigest()
  if (DataType.isList(type)) return listDigest(type as List)
  throw new TypeError(`no content digest for Arrow type ${String(type)}`)
}

/** Hashes the positions of nulls, and hands on only the runs of values between them. */
const withNulls = (values: ColumnDigest): ColumnDigest => {
  const nulls = createHash("sha256")
  let nullCount = 0
  let row = 0
  return {
    feed: (data, start, end) => {
      if (data.nullCount === 0) values.feed(data, start, end)
      else {
        let from = start
        for (let index = start; index <= end; index++) {
          if (index < end && data.getValid(index)) continue
          if (index > from) values.feed(data, from, index)
          from = index + 1
          if (index === end) break
          nulls.update(bytesOf(Float64Array.of(row + index - start)))
          nullCount++
        }
      }
      row += end - start
    },
    finish: () => (nullCount === 0 ? values.finish() : { values: values.finish(), nulls: nulls.digest("hex") })
  }
}

const bytesOf = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength)

/** One `Hash.update` takes less than 2 GiB. */
const update = (hash: Hash, view: ArrayBufferView): void => {
  const bytes = bytesOf(view)
  for (let at = 0; at < bytes.byteLength; at += 1 << 30) hash.update(bytes.subarray(at, at + (1 << 30)))
}

const numbersDigest = (): ColumnDigest => {
  const hash = createHash("sha256")
  return {
    feed: (data, start, end) => update(hash, data.values.subarray(start, end)),
    finish: () => hash.digest("hex")
  }
}

const floatDigest = (): ColumnDigest => {
  const hash = createHash("sha256")
  return {
    feed: (data, start, end) => update(hash, oneNaN(data.values.subarray(start, end))),
    finish: () => hash.digest("hex")
  }
}

/** The values themselves, or a copy in which every NaN has the same bits. float16 comes as Uint16Array: its bits are hashed as they are. */
const oneNaN = (values: Float32Array | Float64Array | Uint16Array): ArrayBufferView =>
  values instanceof Uint16Array || isFinite(values) ? values : values.map((value) => (value !== value ? NaN : value))

/**
 * Whether no value is NaN or infinite, by the exponents alone: one that is all ones and one more carries into a bit that no other does. To
 * compare floats would take three times as long, and this stands in the way of every hash.
 */
const isFinite = (values: Float32Array | Float64Array): boolean => {
  const words = new Int32Array(values.buffer, values.byteOffset, values.byteLength / 4)
  return values instanceof Float32Array ? !hasFullExponent32(words) : !hasFullExponent64(words)
}

const hasFullExponent32 = (words: Int32Array): boolean => {
  let carried = 0
  for (let at = 0; at < words.length; at++) carried |= ((words[at]! >>> 23) & 0xff) + 1
  return (carried & 0x100) !== 0
}

/** The exponent is in the second word of each pair: little-endian. */
const hasFullExponent64 = (words: Int32Array): boolean => {
  let carried = 0
  for (let at = 1; at < words.length; at += 2) carried |= ((words[at]! >>> 20) & 0x7ff) + 1
  return (carried & 0x800) !== 0
}

const boolDigest = (): ColumnDigest => {
  const hash = createHash("sha256")
  return {
    feed: (data, start, end) => {
      const bytes = new Uint8Array(end - start)
      for (let index = start; index < end; index++) {
        const bit = data.offset + index
        bytes[index - start] = (data.values[bit >> 3] >> (bit & 7)) & 1
      }
      hash.update(bytes)
    },
    finish: () => hash.digest("hex")
  }
}

const lengthsOf = (offsets: Int32Array, start: number, end: number): Int32Array => {
  const lengths = new Int32Array(end - start)
  for (let row = start; row < end; row++) lengths[row - start] = offsets[row + 1]! - offsets[row]!
  return lengths
}

const bytesDigest = (): ColumnDigest => {
  const lengths = createHash("sha256")
  const bytes = createHash("sha256")
  return {
    feed: (data, start, end) => {
      if (start === end) return
      const offsets = data.valueOffsets as Int32Array
      update(lengths, lengthsOf(offsets, start, end))
      update(bytes, data.values.subarray(offsets[start]!, offsets[end]!))
    },
    finish: () => ({ lengths: lengths.digest("hex"), bytes: bytes.digest("hex") })
  }
}

const listDigest = (type: List): ColumnDigest => {
  const lengths = createHash("sha256")
  const items = columnDigest(type.valueType as DataType)
  const itemNullable = type.valueField.nullable
  return {
    feed: (data, start, end) => {
      if (start === end) return
      const offsets = data.valueOffsets as Int32Array
      update(lengths, lengthsOf(offsets, start, end))
      items.feed(data.children[0]!, offsets[start]!, offsets[end]!)
    },
    finish: () => ({ lengths: lengths.digest("hex"), items: items.finish(), itemNullable })
  }
}

/** Values are numbered as rows first show them, which no order of the dictionary changes; names that no row shows follow, sorted. */
const dictionaryDigest = (): ColumnDigest => {
  const hash = createHash("sha256")
  const codes = new Map<string, number>()
  const all = new Set<string>()
  return {
    feed: (data, start, end) => {
      const names = dictionaryNames(data as Data<Dictionary>)
      for (const name of names) all.add(name)
      const recoded = new Int32Array(end - start)
      for (let row = start; row < end; row++) {
        const name = names[Number(data.values[row])]!
        const code = codes.get(name) ?? codes.size
        if (code === codes.size) codes.set(name, code)
        recoded[row - start] = code
      }
      update(hash, recoded)
    },
    finish: () => ({
      codes: hash.digest("hex"),
      shown: [...codes.keys()],
      unused: [...all].filter((name) => !codes.has(name)).sort()
    })
  }
}

/** The names of a dictionary column in the order of its indices. */
export const dictionaryNames = (data: Data<Dictionary>): ReadonlyArray<string> => {
  const known = namesByDictionary.get(data.dictionary!)
  if (known !== undefined) return known
  const names = Array.from(data.dictionary!, String)
  namesByDictionary.set(data.dictionary!, names)
  return names
}

const namesByDictionary = new WeakMap<object, ReadonlyArray<string>>()
