import { createHash } from "node:crypto"
import { closeSync, fstatSync, openSync, readSync } from "node:fs"
import { StageError } from "@hone/core/Stage"
import { type Data, type Table, tableFromIPC } from "apache-arrow"
import { dictionaryNames, typeName } from "./digest.ts"

const CHUNK_BYTES = 8 << 20

/**
 * The bytes of a blob, checked against their SHA-256 while they are read. In chunks: one call of Node reads less than 2 GiB.
 * The buffer starts 8-byte aligned, so Arrow views it without a copy.
 * Fails by StageError `artifact_corrupt` when the bytes are not those, `artifact_missing` when there is no such file.
 */
export const readBlob = (path: string, blob: string): Uint8Array => {
  const fd = open(path, blob)
  try {
    const { size } = fstatSync(fd)
    const bytes = Buffer.allocUnsafeSlow(size)
    const hash = createHash("sha256")
    let at = 0
    while (at < size) {
      const read = readSync(fd, bytes, at, Math.min(CHUNK_BYTES, size - at), at)
      if (read === 0) break
      hash.update(bytes.subarray(at, at + read))
      at += read
    }
    if (hash.digest("hex") !== blob) throw corrupt(path, blob)
    return bytes
  } finally {
    closeSync(fd)
  }
}

/** An artifact as an Arrow table whose columns view the bytes read. Fails as {@link readBlob}. */
export const readTable = (artifact: { readonly path: string; readonly blob: string }): Table =>
  tableFromIPC(readBlob(artifact.path, artifact.blob))

const open = (path: string, blob: string): number => {
  try {
    return openSync(path, "r")
  } catch (cause) {
    throw new StageError({
      code: "artifact_missing",
      message: `an artifact cannot be opened: ${path} (${(cause as NodeJS.ErrnoException).code})`,
      hint: "run again: the step that made it runs once more",
      blob
    })
  }
}

const corrupt = (path: string, blob: string) =>
  new StageError({
    code: "artifact_corrupt",
    message: `the bytes of ${path} are not those that were written (SHA-256 ${blob.slice(0, 12)}… expected)`,
    hint: "remove the file and run again: the step that made it runs once more",
    blob
  })

/** The batches of a column. Throws TypeError when the table has no such column or it is of another type. */
export const chunks = (table: Table, name: string, type: string): ReadonlyArray<Data> => {
  const column = table.getChild(name)
  if (column === null) throw new TypeError(`no column "${name}"; the table has ${table.schema.names.join(", ")}`)
  if (typeName(column.type) !== type) throw new TypeError(`column "${name}" is ${typeName(column.type)}, not ${type}`)
  return column.data
}

/** A utf8 column as strings; null where the row has none. */
export const nullableStrings = (table: Table, name: string): Array<string | null> => {
  chunks(table, name, "utf8")
  return Array.from(table.getChild(name)!, (value) => value as string | null)
}

/** A utf8 column as strings. Throws TypeError on a null. */
export const strings = (table: Table, name: string): Array<string> => {
  const decoder = new TextDecoder()
  return chunks(table, name, "utf8").flatMap((data) => {
    if (data.nullCount > 0) throw new TypeError(`column "${name}" has nulls`)
    const offsets = data.valueOffsets as Int32Array
    return Array.from({ length: data.length }, (_, row) =>
      decoder.decode((data.values as Uint8Array).subarray(offsets[row]!, offsets[row + 1]!))
    )
  })
}

/** An int32 column: a view of the file where it is one batch, else a copy. */
export const int32s = (table: Table, name: string): Int32Array => joined(table, name, "int32", Int32Array) as Int32Array

export const float64s = (table: Table, name: string): Float64Array =>
  joined(table, name, "float64", Float64Array) as Float64Array

/** A float64 column as numbers; null where the row has none. */
export const nullableFloat64s = (table: Table, name: string): Array<number | null> => {
  chunks(table, name, "float64")
  return Array.from(table.getChild(name)!, (value) => value as number | null)
}

export const bools = (table: Table, name: string): Array<boolean> =>
  chunks(table, name, "bool").flatMap((data) =>
    Array.from({ length: data.length }, (_, row) => {
      const bit = data.offset + row
      return ((data.values as Uint8Array)[bit >> 3]! & (1 << (bit & 7))) !== 0
    })
  )

/** Bytes, one view of the file a row. */
export const binaries = (table: Table, name: string): Array<Uint8Array> =>
  chunks(table, name, "binary").flatMap((data) => {
    const offsets = data.valueOffsets as Int32Array
    return Array.from({ length: data.length }, (_, row) =>
      (data.values as Uint8Array).subarray(offsets[row]!, offsets[row + 1]!)
    )
  })

/** Lists of int32, one view of the file a row. */
export const int32Lists = (table: Table, name: string): Array<Int32Array> =>
  lists(table, name, "list<int32>") as Array<Int32Array>

/** Lists of float32, one view of the file a row. */
export const float32Lists = (table: Table, name: string): Array<Float32Array> =>
  lists(table, name, "list<float32>") as Array<Float32Array>

/** Lists of texts, as of a multi-label column. */
export const textLists = (table: Table, name: string): Array<ReadonlyArray<string>> =>
  chunks(table, name, "list<utf8>").flatMap((data) => {
    const offsets = data.valueOffsets as Int32Array
    const items = data.children[0]!
    const ends = items.valueOffsets as Int32Array
    const decoder = new TextDecoder()
    const item = (at: number) => decoder.decode((items.values as Uint8Array).subarray(ends[at]!, ends[at + 1]!))
    return Array.from({ length: data.length }, (_, row) =>
      Array.from({ length: offsets[row + 1]! - offsets[row]! }, (_, at) => item(offsets[row]! + at))
    )
  })

/** What the file's schema says under `hone.labels`: the names of a multi-label column in the order of the head. */
export const declaredLabels = (table: Table): ReadonlyArray<string> | undefined => {
  const text = table.schema.metadata.get("hone.labels")
  return text === undefined ? undefined : (JSON.parse(text) as ReadonlyArray<string>)
}

export interface LabelColumn {
  /** Sorted by code unit, whatever order the file's dictionary has. */
  readonly names: ReadonlyArray<string>
  /** [rows]: an index into `names`. */
  readonly indices: Int32Array
}

/** A label column joined by name: every batch's indices recoded to the sorted names. Throws TypeError on a null. */
export const labelColumn = (table: Table, name: string): LabelColumn => {
  const batches = chunks(table, name, "dictionary<utf8>")
  const names = [...new Set(batches.flatMap((data) => dictionaryNames(data as never)))].sort()
  const place = new Map(names.map((label, index) => [label, index]))
  const indices = new Int32Array(table.numRows)
  let row = 0
  for (const data of batches) {
    if (data.nullCount > 0) throw new TypeError(`column "${name}" has nulls`)
    const recode = dictionaryNames(data as never).map((label) => place.get(label)!)
    for (let index = 0; index < data.length; index++) indices[row++] = recode[Number(data.values[index])]!
  }
  return { names, indices }
}

const lists = (table: Table, name: string, type: string): Array<Int32Array | Float32Array> =>
  chunks(table, name, type).flatMap((data) => {
    const offsets = data.valueOffsets as Int32Array
    const values = data.children[0]!.values as Int32Array
    return Array.from({ length: data.length }, (_, row) => values.subarray(offsets[row]!, offsets[row + 1]!))
  })

const joined = (
  table: Table,
  name: string,
  type: string,
  ArrayType: typeof Int32Array | typeof Float64Array
): Int32Array | Float64Array => {
  const batches = chunks(table, name, type)
  for (const data of batches) if (data.nullCount > 0) throw new TypeError(`column "${name}" has nulls`)
  if (batches.length === 1) return batches[0]!.values.subarray(0, batches[0]!.length)
  const whole = new ArrayType(table.numRows)
  let row = 0
  for (const data of batches) {
    whole.set(data.values.subarray(0, data.length), row)
    row += data.length
  }
  return whole
}
