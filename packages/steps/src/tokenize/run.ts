import {
  type InputArtifact,
  type OutputArtifact,
  type StageContext,
  StageError,
  type StageResult
} from "@hone/core/Stage"
import type { Table } from "apache-arrow"
import { Effect } from "effect"
import { bool, type Column, int32, listInt32, offsetsOf } from "../arrow/columns.ts"
import { binaries, readTable, strings } from "../arrow/reader.ts"
import { takeRows } from "../arrow/take.ts"
import { TableWriter } from "../arrow/writer.ts"
import { attempt } from "../attempt.ts"
import { partFacts } from "../rows/partFacts.ts"
import { viewsOf } from "../rows/views.ts"
import { fit, fitPair, type FittedRow } from "./fit.ts"
import type { TokenizeParams } from "./params.ts"
import { loadTokenizer, type TextTokenizer } from "./TextTokenizer.ts"

/** Texts handed to the tokenizer at once: it spreads them over the cores. */
const TEXTS_AT_ONCE = 512
const BATCH_ROWS = 16_384

export const run = Effect.fn("tokenize.run")(function* (context: StageContext) {
  return yield* attempt(() => tokenize(context, context.params as TokenizeParams))
})

const tokenize = async (context: StageContext, params: TokenizeParams): Promise<StageResult> => {
  const rows = context.inputs["rows"]!
  const tokenizerArtifact = context.inputs["tokenizer"]!
  const tokenizer = await loadTokenizer(tokenizerJson(tokenizerArtifact))
  const table = readTable(rows)
  const max_length = maximalLength(params, tokenizerArtifact, specialsOf(tokenizer, isPair(table)))
  const encoded = await encodeAll(context, table, tokenizer, params, max_length)
  refuse(encoded, params, max_length)
  const output = write(context, table, encoded, {
    ...partFacts(rows.facts, table, encoded.rows),
    tokens: encoded.fitted.reduce((sum, { ids }) => sum + ids.length, 0),
    longest: encoded.fitted.reduce((longest, { ids }) => Math.max(longest, ids.length), 0),
    max_length,
    vocabulary_size: tokenizerArtifact.facts["vocabulary_size"] ?? null,
    pad_token_id: tokenizerArtifact.facts["pad_token_id"] ?? null,
    tokenizer: tokenizerArtifact.content
  })
  return { outputs: { tokens: output }, counts: countsOf(table, encoded, params), warnings: [] }
}

const tokenizerJson = (artifact: InputArtifact): Uint8Array => {
  const table = readTable(artifact)
  const place = strings(table, "file").indexOf("tokenizer.json")
  if (place < 0) throw new TypeError("a tokenizer artifact without tokenizer.json")
  return binaries(table, "bytes")[place]!
}

const isPair = (table: Table): boolean => table.getChild("text_b") !== null

/** How many special tokens stand in each row. */
const specialsOf = ({ pair, special }: TextTokenizer, isPair: boolean): number =>
  isPair
    ? pair.before.ids.length + pair.middle.ids.length + pair.after.ids.length
    : special.before.length + special.after.length

const maximalLength = (params: TokenizeParams, { facts }: InputArtifact, specials: number): number => {
  const limit = typeof facts["model_max_length"] === "number" ? facts["model_max_length"] : Infinity
  const max_length = params.max_length ?? limit
  const fail = (message: string, hint: string) => new StageError({ code: "max_length", message, hint })
  if (max_length > limit) {
    throw fail(
      `max_length ${max_length} is more than the ${limit} tokens that the model takes`,
      `write max_length: ${limit} or less`
    )
  }
  if (max_length === Infinity) throw fail("the model states no longest row", "write max_length: 512, say")
  if (max_length <= specials) {
    throw fail(
      `max_length ${max_length} leaves no room beside ${specials} special tokens`,
      `write more than ${specials}`
    )
  }
  return max_length
}

interface Encoded {
  /** Rows of the input that are kept, in its order. */
  readonly rows: Int32Array
  /** Their ids, one for each. */
  readonly fitted: ReadonlyArray<FittedRow>
  /** `row_id` of rows that were too long for `drop` and `fail`. */
  readonly tooLong: ReadonlyArray<string>
  /** `row_id` of rows without a token of their own. */
  readonly empty: ReadonlyArray<string>
  /** [rows of the input] tokens before any cut, special ones included. */
  readonly lengths: Int32Array
}

const encodeAll = async (
  context: StageContext,
  table: Table,
  tokenizer: TextTokenizer,
  params: TokenizeParams,
  max_length: number
): Promise<Encoded> => {
  const columns = (isPair(table) ? ["text_a", "text_b"] : ["text"]).map((name) => strings(table, name))
  const ids = strings(table, "row_id")
  const specials = specialsOf(tokenizer, columns.length === 2)
  const rows: Array<number> = []
  const fitted: Array<FittedRow> = []
  const tooLong: Array<string> = []
  const empty: Array<string> = []
  const lengths = new Int32Array(ids.length)
  for (let start = 0; start < ids.length; start += TEXTS_AT_ONCE) {
    const encoded: Array<ReadonlyArray<ReadonlyArray<number>>> = []
    for (const texts of columns) encoded.push(await tokenizer.encode(texts.slice(start, start + TEXTS_AT_ONCE)))
    const [first, second] = encoded
    first!.forEach((content, at) => {
      const row = start + at
      const other = second?.[at]
      lengths[row] = content.length + (other?.length ?? 0) + specials
      // A pair of which one text has nothing to read is no pair.
      if (content.length === 0 || other?.length === 0) empty.push(ids[row]!)
      const fits =
        other === undefined
          ? fit(content, tokenizer.special, max_length, params.truncate)
          : fitPair([content, other], tokenizer.pair, max_length, params.truncate)
      if (fits === undefined) tooLong.push(ids[row]!)
      else {
        rows.push(row)
        fitted.push(fits)
      }
    })
    context.progress({ done: Math.min(start + TEXTS_AT_ONCE, ids.length), total: ids.length, unit: "rows" })
  }
  return { rows: Int32Array.from(rows), fitted, tooLong, empty, lengths }
}

const refuse = ({ empty, rows, tooLong }: Encoded, params: TokenizeParams, max_length: number): void => {
  const fail = (code: string, message: string, hint: string, row_ids: ReadonlyArray<string>) =>
    new StageError({ code, message, hint, row_ids: row_ids.slice(0, 20) })
  if (params.truncate === "fail" && tooLong.length > 0) {
    const message = `${tooLong.length} rows have more than ${max_length} tokens`
    throw fail("too_long", message, "raise max_length, or write truncate: head_tail", tooLong)
  }
  if (!params.allow_empty && empty.length > 0) {
    const message = `${empty.length} rows have no token of their own`
    throw fail("empty_row", message, "drop them in ingest (empties: drop), or write allow_empty: true", empty)
  }
  if (rows.length === 0) throw fail("no_rows", `no row has at most ${max_length} tokens`, "raise max_length", tooLong)
}

const write = (
  context: StageContext,
  table: Table,
  { fitted, rows }: Encoded,
  facts: Record<string, any>
): OutputArtifact => {
  // Part of the content: equal ids of another tokenizer must not pass for these, whose facts say which model may read them.
  const metadata = { ...Object.fromEntries(table.schema.metadata), "hone.tokenizer": facts["tokenizer"] as string }
  const writer = new TableWriter(context.folder, "tokens.arrow", { metadata })
  try {
    for (let start = 0; start < rows.length; start += BATCH_ROWS) {
      const batch = takeRows(table, rows.subarray(start, start + BATCH_ROWS))
      const own = batch.schema.fields.map((field, at): [string, Column] => [
        field.name,
        { data: batch.data.children[at]!, nullable: field.nullable }
      ])
      writer.write({
        ...Object.fromEntries(own),
        ...tokenColumns(fitted.slice(start, start + BATCH_ROWS), isPair(table))
      })
    }
    const made = Object.keys(tokenColumns([], isPair(table)))
    return writer.finish({ facts, views: viewsOf([...table.schema.fields.map(({ name }) => name), ...made]) })
  } catch (error) {
    writer.abandon()
    throw error
  }
}

const tokenColumns = (fitted: ReadonlyArray<FittedRow>, isPair: boolean): Record<string, Column> => {
  const offsets = offsetsOf(fitted.map(({ ids }) => ids.length))
  const joined = (listOf: (row: FittedRow) => Int32Array) => {
    const values = new Int32Array(offsets[fitted.length]!)
    fitted.forEach((row, at) => values.set(listOf(row), offsets[at]!))
    return listInt32(values, offsets)
  }
  return {
    input_ids: joined(({ ids }) => ids),
    ...(isPair ? { token_type_ids: joined(({ types }) => types!) } : {}),
    length: int32(Int32Array.from(fitted, ({ ids }) => ids.length)),
    truncated: bool(fitted.map(({ truncated }) => truncated))
  }
}

const countsOf = (table: Table, { empty, fitted, lengths, tooLong }: Encoded, params: TokenizeParams) => {
  const sorted = lengths.toSorted()
  return {
    rows_in: table.numRows,
    rows_out: fitted.length,
    truncated: fitted.filter(({ truncated }) => truncated).length,
    truncate: params.truncate,
    dropped: tooLong.length,
    empty: empty.length,
    tokens: fitted.reduce((sum, { ids }) => sum + ids.length, 0),
    lengths: { min: sorted[0] ?? 0, median: sorted[sorted.length >> 1] ?? 0, max: sorted.at(-1) ?? 0 }
  }
}
