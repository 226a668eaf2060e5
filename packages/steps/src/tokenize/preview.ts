import type { Table } from "apache-arrow"
import { Tokenizer } from "tokenizers"
import { typeName } from "../arrow/digest.ts"
import {
  binaries,
  bools,
  float64s,
  int32Lists,
  int32s,
  labelColumn,
  readTable,
  strings,
  textLists
} from "../arrow/reader.ts"

interface Blob {
  readonly path: string
  readonly blob: string
}

/** A token as the model reads it, and the characters (code points) of its text that it stands for; none for a special one. */
export interface PreviewToken {
  readonly token: string
  readonly start?: number
  readonly end?: number
}

/** A row as the model will see it. What its table does not have is absent. */
export interface PreviewRow {
  readonly row_id: string
  /** By column: `text`, or `text_a` and `text_b`, and the like. */
  readonly texts: Readonly<Record<string, string>>
  readonly label?: string
  /** The pieces behind `input_ids`, special ones included. */
  readonly tokens?: ReadonlyArray<PreviewToken>
  /** Whether the text was too long and was cut. */
  readonly truncated?: boolean
  /** The characters of the text that were cut out, from and to. */
  readonly cut?: readonly [number, number]
}

export interface Bucket {
  /** Lengths from, to (included). */
  readonly from: number
  readonly to: number
  readonly rows: number
}

export interface Preview {
  readonly total: number
  readonly rows: ReadonlyArray<PreviewRow>
  /** Rows a label, in the order of the names; absent where labels are no names. */
  readonly labels?: Readonly<Record<string, number>>
  readonly lengths: { readonly unit: "tokens" | "characters"; readonly buckets: ReadonlyArray<Bucket> }
  readonly truncated?: number
}

const textColumns = ["text", "text_a", "text_b", "input", "output", "messages"]
const BUCKETS = 10

/** The first `count` rows of a rows or tokens artifact, and how all of them are spread; tokens by name where the tokenizer is given. */
export const previewOf = async (rows: Blob, tokenizer: Blob | undefined, count: number): Promise<Preview> => {
  const table = readTable(rows)
  const shown = Math.min(count, table.numRows)
  const columns = textColumns.filter((name) => table.getChild(name) !== null)
  const texts = Object.fromEntries(columns.map((name) => [name, strings(table, name)]))
  const tokens = await tokensOf(table, tokenizer, shown, texts["text"])
  const labels = labelsOf(table)
  const isCut = table.getChild("truncated") === null ? undefined : bools(table, "truncated")
  const ids = strings(table, "row_id")
  const preview = Array.from({ length: shown }, (_, row): PreviewRow => ({
    row_id: ids[row]!,
    texts: Object.fromEntries(columns.map((name) => [name, texts[name]![row]!])),
    ...(labels === undefined ? {} : { label: labels[row]! }),
    ...tokens?.[row],
    ...(isCut === undefined ? {} : { truncated: isCut[row]! })
  }))
  const lengths = lengthsOf(table, texts)
  return {
    total: table.numRows,
    rows: preview,
    ...balanceOf(table),
    lengths: { unit: table.getChild("length") === null ? "characters" : "tokens", buckets: bucketsOf(lengths) },
    ...(isCut === undefined ? {} : { truncated: isCut.filter(Boolean).length })
  }
}

/** Labels as they are shown: a name, a number, names with commas. */
const labelsOf = (table: Table): ReadonlyArray<string> | undefined => {
  const column = table.getChild("label")
  if (column === null) return undefined
  const type = typeName(column.type)
  if (type === "float64") return Array.from(float64s(table, "label"), String)
  if (type === "list<utf8>")
    return textLists(table, "label").map((names) => (names.length === 0 ? "(none)" : names.join(", ")))
  const { indices, names } = labelColumn(table, "label")
  return Array.from(indices, (index) => names[index]!)
}

const balanceOf = (table: Table): { readonly labels?: Readonly<Record<string, number>> } => {
  const column = table.getChild("label")
  const type = column === null ? undefined : typeName(column.type)
  if (type !== "dictionary<utf8>" && type !== "list<utf8>") return {}
  const counts: Record<string, number> =
    type === "dictionary<utf8>" ? Object.fromEntries(labelColumn(table, "label").names.map((name) => [name, 0])) : {}
  const names = type === "list<utf8>" ? textLists(table, "label").flat() : labelsOf(table)!
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return { labels: counts }
}

const lengthsOf = (table: Table, texts: Readonly<Record<string, ReadonlyArray<string>>>): Int32Array => {
  if (table.getChild("length") !== null) return int32s(table, "length")
  const columns = Object.values(texts)
  return Int32Array.from({ length: table.numRows }, (_, row) =>
    columns.reduce((sum, column) => sum + column[row]!.length, 0)
  )
}

/** At most ten spans of equal width, of whole numbers. */
export const bucketsOf = (lengths: Int32Array): ReadonlyArray<Bucket> => {
  if (lengths.length === 0) return []
  let [min, max] = [Infinity, -Infinity]
  for (const length of lengths) [min, max] = [Math.min(min, length), Math.max(max, length)]
  const width = Math.max(1, Math.ceil((max - min + 1) / BUCKETS))
  const counts = new Array<number>(Math.ceil((max - min + 1) / width)).fill(0)
  for (const length of lengths) counts[Math.floor((length - min) / width)]!++
  return counts.map((rows, at) => ({ from: min + at * width, to: Math.min(max, min + (at + 1) * width - 1), rows }))
}

type RowTokens = Pick<PreviewRow, "tokens" | "cut">

const tokensOf = async (
  table: Table,
  blob: Blob | undefined,
  count: number,
  texts: ReadonlyArray<string> | undefined
): Promise<ReadonlyArray<RowTokens> | undefined> => {
  if (table.getChild("input_ids") === null) return undefined
  const ids = int32Lists(table, "input_ids").slice(0, count)
  if (blob === undefined) return ids.map((row) => ({ tokens: Array.from(row, (id) => ({ token: `#${id}` })) }))
  const tokenizer = load(blob)
  const named = (id: number): PreviewToken => ({ token: tokenizer.idToToken(id) ?? `#${id}` })
  const rows: Array<RowTokens> = []
  for (const [row, kept] of ids.entries()) {
    const text = texts?.[row]
    rows.push(
      text === undefined ? { tokens: Array.from(kept, named) } : placed(kept, await tokenizer.encode(text), named)
    )
  }
  return rows
}

const load = (blob: Blob): Tokenizer => {
  const table = readTable(blob)
  const json = binaries(table, "bytes")[strings(table, "file").indexOf("tokenizer.json")]!
  const settings = JSON.parse(Buffer.from(json).toString("utf8")) as Record<string, unknown>
  return Tokenizer.fromString(JSON.stringify({ ...settings, truncation: null, padding: null }))
}

/** The kept ids with their places: they are a head and a tail of what the whole text gives, special tokens included. */
const placed = (
  kept: Int32Array,
  whole: {
    readonly getIds: () => Array<number>
    readonly getOffsets: () => Array<Array<number>>
    readonly getSpecialTokensMask: () => Array<number>
  },
  named: (id: number) => PreviewToken
): RowTokens => {
  const [ids, offsets, special] = [whole.getIds(), whole.getOffsets(), whole.getSpecialTokensMask()]
  const gone = ids.length - kept.length
  let head = 0
  while (head < kept.length && kept[head] === ids[head]) head++
  // The longest head whose rest is a tail: repeated words may fit in more than one way.
  while (head > 0 && !kept.subarray(head).every((id, at) => id === ids[head + gone + at])) head--
  const at = (place: number): PreviewToken => {
    const source = place < head ? place : place + gone
    const [start, end] = offsets[source] ?? []
    return special[source] === 0 ? { ...named(kept[place]!), start: start!, end: end! } : named(kept[place]!)
  }
  const tokens = Array.from(kept, (_, place) => at(place))
  if (gone <= 0) return { tokens }
  return { tokens, cut: [offsets[head]![0]!, offsets[head + gone - 1]![1]!] }
}
