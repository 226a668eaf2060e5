import {
  Data,
  type DataType,
  DataType as Types,
  makeData,
  RecordBatch,
  type Schema,
  Struct,
  type Table
} from "apache-arrow"
import { offsetsOf } from "./columns.ts"

/**
 * Some rows of a table, in the order asked for, as one batch of the same schema. Values are copied as bytes, never decoded;
 * dictionaries are shared. Rows may repeat. Throws RangeError beyond 2^31 - 1 bytes a column: take fewer rows at a time.
 */
export const takeRows = (table: Table, rows: Int32Array, schema: Schema = table.schema): RecordBatch => {
  const places = placesOf(table, rows)
  const children = schema.fields.map((field) => takeColumn(table.getChild(field.name)!.data, places))
  return new RecordBatch(
    schema,
    makeData({ type: new Struct(schema.fields), length: rows.length, nullCount: 0, children })
  )
}

/** Where each row lies: its batch, and its place within. */
interface Places {
  readonly batch: Int32Array
  readonly index: Int32Array
}

const placesOf = (table: Table, rows: Int32Array): Places => {
  const ends: Array<number> = []
  for (const batch of table.batches) ends.push((ends.at(-1) ?? 0) + batch.numRows)
  const batch = new Int32Array(rows.length)
  const index = new Int32Array(rows.length)
  rows.forEach((row, at) => {
    let low = 0
    let high = ends.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (row < ends[middle]!) high = middle
      else low = middle + 1
    }
    batch[at] = low
    index[at] = row - (low === 0 ? 0 : ends[low - 1]!)
  })
  return { batch, index }
}

const takeColumn = (batches: ReadonlyArray<Data>, places: Places): Data => {
  const type = batches[0]!.type as DataType
  const length = places.index.length
  const nulls = takeNulls(batches, places)
  if (Types.isUtf8(type) || Types.isBinary(type)) return takeBytes(batches, places, nulls)
  if (Types.isList(type)) return takeLists(batches, places, nulls)
  if (Types.isBool(type)) {
    const bits = bitmap(length, (at) => bit(batches[places.batch[at]!]!, places.index[at]!))
    return makeData({ type, length, data: bits, ...nulls } as never)
  }
  const values = new batches[0]!.values.constructor(length)
  for (let at = 0; at < length; at++) values[at] = batches[places.batch[at]!]!.values[places.index[at]!]
  if (Types.isDictionary(type)) requireOneDictionary(batches)
  const dictionary = Types.isDictionary(type) ? { dictionary: batches[0]!.dictionary } : {}
  return makeData({ type, length, data: values, ...dictionary, ...nulls } as never)
}

/** An IPC file has one dictionary a column; where Arrow delivers a growing one, the last batch has all of it. */
const requireOneDictionary = (batches: ReadonlyArray<Data>): void => {
  const first = batches[0]!.dictionary
  if (batches.some((data) => data.dictionary !== first))
    throw new TypeError("takeRows: the batches have different dictionaries")
}

const takeBytes = (batches: ReadonlyArray<Data>, places: Places, nulls: Nulls): Data => {
  const { ends, lengths, starts } = spans(batches, places)
  const valueOffsets = offsetsOf(lengths)
  const data = new Uint8Array(valueOffsets[lengths.length]!)
  for (let at = 0; at < lengths.length; at++) {
    data.set(batches[places.batch[at]!]!.values.subarray(starts[at]!, ends[at]!), valueOffsets[at]!)
  }
  return makeData({
    type: batches[0]!.type,
    length: lengths.length,
    valueOffsets,
    data,
    ...nulls
  } as never)
}

const takeLists = (batches: ReadonlyArray<Data>, places: Places, nulls: Nulls): Data => {
  const { ends, lengths, starts } = spans(batches, places)
  const valueOffsets = offsetsOf(lengths)
  const item = batches[0]!.children[0]!
  if (Types.isUtf8(item.type)) return takeTextLists(batches, places, nulls)
  if (item.values === undefined || item.children.length > 0)
    throw new TypeError("takeRows: lists of lists are not taken")
  if (batches.some((data) => data.children[0]!.nullCount > 0))
    throw new TypeError("takeRows: list items with nulls are not taken")
  const values = new item.values.constructor(valueOffsets[lengths.length]!)
  for (let at = 0; at < lengths.length; at++) {
    values.set(batches[places.batch[at]!]!.children[0]!.values.subarray(starts[at]!, ends[at]!), valueOffsets[at]!)
  }
  const child = makeData({
    type: item.type,
    length: values.length,
    nullCount: 0,
    data: values
  } as never)
  return makeData({
    type: batches[0]!.type,
    length: lengths.length,
    valueOffsets,
    child,
    ...nulls
  } as never)
}

/** The items of lists of texts are themselves taken by place. */
const takeTextLists = (batches: ReadonlyArray<Data>, places: Places, nulls: Nulls): Data => {
  const { lengths, starts } = spans(batches, places)
  const valueOffsets = offsetsOf(lengths)
  const count = valueOffsets[lengths.length]!
  const items: Places = { batch: new Int32Array(count), index: new Int32Array(count) }
  for (let at = 0, item = 0; at < lengths.length; at++) {
    for (let inner = 0; inner < lengths[at]!; inner++, item++) {
      items.batch[item] = places.batch[at]!
      items.index[item] = starts[at]! + inner
    }
  }
  const child = takeBytes(
    batches.map((data) => data.children[0]!),
    items,
    { nullCount: 0 }
  )
  return makeData({ type: batches[0]!.type, length: lengths.length, valueOffsets, child, ...nulls } as never)
}

const spans = (batches: ReadonlyArray<Data>, places: Places) => {
  const length = places.index.length
  const starts = new Int32Array(length)
  const ends = new Int32Array(length)
  const lengths = new Int32Array(length)
  for (let at = 0; at < length; at++) {
    const offsets = batches[places.batch[at]!]!.valueOffsets as Int32Array
    starts[at] = offsets[places.index[at]!]!
    ends[at] = offsets[places.index[at]! + 1]!
    lengths[at] = ends[at]! - starts[at]!
  }
  return { starts, ends, lengths }
}

interface Nulls {
  readonly nullCount: number
  readonly nullBitmap?: Uint8Array
}

const takeNulls = (batches: ReadonlyArray<Data>, places: Places): Nulls => {
  if (batches.every((data) => data.nullCount === 0)) return { nullCount: 0 }
  const valid = (at: number) => batches[places.batch[at]!]!.getValid(places.index[at]!)
  let nullCount = 0
  for (let at = 0; at < places.index.length; at++) if (!valid(at)) nullCount++
  return nullCount === 0 ? { nullCount } : { nullCount, nullBitmap: bitmap(places.index.length, valid) }
}

const bit = (data: Data, row: number): boolean => {
  const at = data.offset + row
  return (data.values[at >> 3] & (1 << (at & 7))) !== 0
}

const bitmap = (length: number, isSet: (at: number) => boolean): Uint8Array => {
  const bits = new Uint8Array(Math.ceil(length / 64) * 8)
  for (let at = 0; at < length; at++) if (isSet(at)) bits[at >> 3]! |= 1 << (at & 7)
  return bits
}
