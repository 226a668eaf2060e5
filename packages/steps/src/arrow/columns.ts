import {
  Binary,
  Bool,
  type Data,
  type DataType,
  Dictionary,
  Field,
  Float32,
  Float64,
  Int32,
  Int64,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Utf8,
  type Vector,
  vectorFromArray
} from "apache-arrow"

/** One column of one batch: its values, and whether its field admits nulls (the field, not these values). */
export interface Column {
  readonly data: Data
  readonly nullable: boolean
}

/** The names behind a label column. One object serves all batches of a file: IPC files cannot replace a dictionary. */
export interface LabelDictionary {
  readonly names: ReadonlyArray<string>
  readonly type: Dictionary<Utf8, Int32>
  readonly vector: Vector<Utf8>
}

/**
 * A dictionary of names. `id` tells the dictionary columns of one file apart; it is stated rather than counted so that the same
 * values always give the same bytes.
 */
export const labelDictionary = (names: ReadonlyArray<string>, id = 0): LabelDictionary => ({
  names,
  type: new Dictionary(new Utf8(), new Int32(), id),
  vector: names.length === 0 ? emptyUtf8() : vectorFromArray([...names], new Utf8())
})

/** A utf8 column without nulls. Throws RangeError beyond 2 GiB of text: write further batches instead. */
export const utf8 = (values: ReadonlyArray<string>): Column => ({
  data: utf8Data(values),
  nullable: false
})

/** A utf8 column in which null is missing. */
export const nullableUtf8 = (values: ReadonlyArray<string | null>): Column => ({
  data: utf8Data(
    values.map((value) => value ?? ""),
    validity(values)
  ),
  nullable: true
})

/** Bytes without nulls, one element a row. Throws RangeError beyond 2 GiB in all. */
export const binary = (values: ReadonlyArray<Uint8Array>): Column => {
  const valueOffsets = offsetsOf(values.map((value) => value.byteLength))
  const data = new Uint8Array(valueOffsets[values.length]!)
  values.forEach((value, row) => data.set(value, valueOffsets[row]!))
  return {
    data: makeData({ type: new Binary(), length: values.length, nullCount: 0, valueOffsets, data }),
    nullable: false
  }
}

export const int32 = (values: Int32Array): Column => ({
  data: makeData({ type: new Int32(), length: values.length, nullCount: 0, data: values }),
  nullable: false
})

export const int64 = (values: BigInt64Array): Column => ({
  data: makeData({ type: new Int64(), length: values.length, nullCount: 0, data: values }),
  nullable: false
})

export const float32 = (values: Float32Array): Column => ({
  data: makeData({ type: new Float32(), length: values.length, nullCount: 0, data: values }),
  nullable: false
})

export const float64 = (values: Float64Array): Column => ({
  data: makeData({ type: new Float64(), length: values.length, nullCount: 0, data: values }),
  nullable: false
})

/** A float64 column in which null is missing. */
export const nullableFloat64 = (values: ReadonlyArray<number | null>): Column => ({
  data: makeData({
    type: new Float64(),
    length: values.length,
    data: Float64Array.from(values, (value) => value ?? 0),
    ...validity(values)
  }),
  nullable: true
})

export const bool = (values: ReadonlyArray<boolean>): Column => ({
  data: makeData({ type: new Bool(), length: values.length, nullCount: 0, data: bitsOf(values) }),
  nullable: false
})

/** Lists of int32 without nulls: row r holds `values[offsets[r] .. offsets[r + 1])`; `offsets` has one element more than rows. */
export const listInt32 = (values: Int32Array, offsets: Int32Array): Column => listOf(int32(values).data, offsets)

/** Lists of float32 without nulls, laid out as {@link listInt32}. */
export const listFloat32 = (values: Float32Array, offsets: Int32Array): Column => listOf(float32(values).data, offsets)

/** Lists of texts without nulls, one list a row. */
export const listUtf8 = (rows: ReadonlyArray<ReadonlyArray<string>>): Column =>
  listOf(utf8(rows.flat()).data, offsetsOf(rows.map((row) => row.length)))

/** A label column: `indices` count into the dictionary's names. */
export const labels = (indices: Int32Array, dictionary: LabelDictionary): Column => ({
  data: makeData({
    type: dictionary.type,
    length: indices.length,
    nullCount: 0,
    data: indices,
    dictionary: dictionary.vector
  }),
  nullable: false
})

/** Offsets of lists with these lengths: one element more, from 0. Throws RangeError where int32 offsets do not reach. */
export const offsetsOf = (lengths: ArrayLike<number>): Int32Array => {
  const offsets = new Int32Array(lengths.length + 1)
  let end = 0
  for (let row = 0; row < lengths.length; row++) {
    end += lengths[row]!
    if (end > 0x7fffffff)
      throw new RangeError("a batch holds at most 2^31 - 1 bytes or elements a column: write smaller batches")
    offsets[row + 1] = end
  }
  return offsets
}

/**
 * A batch of columns in the order of the record. Batches of one file must agree in names, types, nullability and metadata.
 * Throws TypeError when the columns differ in length.
 */
export const makeBatch = (
  columns: Readonly<Record<string, Column>>,
  metadata: Readonly<Record<string, string>> = {}
): RecordBatch => {
  const entries = Object.entries(columns)
  const length = entries[0]?.[1].data.length ?? 0
  for (const [name, column] of entries) {
    if (column.data.length !== length) {
      throw new TypeError(`column "${name}" has ${column.data.length} rows where "${entries[0]![0]}" has ${length}`)
    }
  }
  const fields = entries.map(([name, { data, nullable }]) => new Field(name, data.type as DataType, nullable))
  const schema = new Schema(fields, new Map(Object.entries(metadata)))
  const children = entries.map(([, column]) => column.data)
  return new RecordBatch(schema, makeData({ type: new Struct(fields), length, nullCount: 0, children }))
}

const emptyUtf8 = (): Vector<Utf8> => vectorFromArray([""], new Utf8()).slice(0, 0)

const listOf = (values: Data, offsets: Int32Array): Column => {
  const type = new List(new Field("item", values.type, false))
  const length = offsets.length - 1
  return {
    data: makeData({ type, length, nullCount: 0, valueOffsets: offsets, child: values as never }),
    nullable: false
  }
}

const utf8Data = (
  values: ReadonlyArray<string>,
  nulls: { nullCount: number; nullBitmap?: Uint8Array } = { nullCount: 0 }
) => {
  const valueOffsets = offsetsOf(values.map((value) => Buffer.byteLength(value)))
  const data = new Uint8Array(valueOffsets[values.length]!)
  const encoder = new TextEncoder()
  // A lone surrogate becomes U+FFFD, three bytes as Buffer.byteLength counts it.
  values.forEach((value, row) => encoder.encodeInto(value, data.subarray(valueOffsets[row]!)))
  return makeData({ type: new Utf8(), length: values.length, valueOffsets, data, ...nulls })
}

const bitsOf = (values: ReadonlyArray<boolean>): Uint8Array => {
  const bits = new Uint8Array(Math.ceil(values.length / 64) * 8)
  values.forEach((value, row) => {
    if (value) bits[row >> 3]! |= 1 << (row & 7)
  })
  return bits
}

const validity = (values: ReadonlyArray<unknown>): { nullCount: number; nullBitmap?: Uint8Array } => {
  const nullCount = values.reduce<number>((count, value) => count + (value === null ? 1 : 0), 0)
  return nullCount === 0 ? { nullCount } : { nullCount, nullBitmap: bitsOf(values.map((value) => value !== null)) }
}
