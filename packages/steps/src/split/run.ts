import {
  type InputArtifact,
  type OutputArtifact,
  type StageContext,
  StageError,
  type StageResult
} from "@hone/core/Stage"
import type { Table } from "apache-arrow"
import { Effect } from "effect"
import { labelColumn, readTable, strings } from "../arrow/reader.ts"
import { takeRows } from "../arrow/take.ts"
import { TableWriter } from "../arrow/writer.ts"
import { attempt } from "../attempt.ts"
import { partFacts } from "../rows/partFacts.ts"
import { viewsOf } from "../rows/views.ts"
import type { Share, SplitParams } from "./params.ts"
import { assignSides, findLeaks, type Sides, TEST, TRAIN, VALIDATION } from "./split.ts"

const BATCH_ROWS = 16_384
const parts = [
  ["train", TRAIN],
  ["validation", VALIDATION],
  ["test", TEST]
] as const

export const run = Effect.fn("split.run")(function* (context: StageContext) {
  return yield* attempt(() => split(context, context.params as SplitParams))
})

const split = (context: StageContext, params: SplitParams): StageResult => {
  const input = context.inputs["rows"]!
  const table = readTable(input)
  refuseCounts(table.numRows, params)
  const row_ids = strings(table, "row_id")
  const placed = assignSides({ row_ids, ...strataOf(table, params), ...groupsOf(table, params) }, params, context.seed)
  const leaks = table.getChild("text") === null ? [] : findLeaks(strings(table, "text"), placed.sides)
  if (leaks.length > 0 && params.on_leakage === "fail") throw leakage(leaks.map((row) => row_ids[row]!))
  const dropped = new Set(params.on_leakage === "drop" ? leaks : [])
  const members = parts.map(([part, side]) => [part, membersOf(placed, side, dropped, row_ids)] as const)
  for (const [part, rows] of members) refuseEmpty(part, rows, params)
  const outputs = members.map(([part, rows]) => [part, write(context, input, table, part, rows)])
  return {
    outputs: Object.fromEntries(outputs),
    counts: {
      rows_in: table.numRows,
      ...Object.fromEntries(members.map(([part, rows]) => [part, rows.length])),
      leaks: leaks.length,
      dropped_leaks: dropped.size
    },
    warnings:
      params.on_leakage === "keep" && leaks.length > 0
        ? [`${leaks.length} rows stand on two sides but for case, spacing or punctuation`]
        : []
  }
}

const strataOf = (table: Table, { stratify_by }: SplitParams) => {
  if (stratify_by === undefined) return {}
  const { indices, names } = labelColumn(table, stratify_by)
  return { strata: Array.from(indices, (index) => names[index]!) }
}

const groupsOf = (table: Table, { group_by }: SplitParams) =>
  group_by === undefined ? {} : { groups: strings(table, group_by) }

/** In the order of the hash: neither the source's order nor the labels' shows in a part. */
const membersOf = (
  { ranks, sides }: Sides,
  side: number,
  dropped: ReadonlySet<number>,
  row_ids: ReadonlyArray<string>
): Int32Array => {
  const rows = Array.from(sides.keys()).filter((row) => sides[row] === side && !dropped.has(row))
  return Int32Array.from(rows.sort((a, b) => ranks[a]! - ranks[b]! || (row_ids[a]! < row_ids[b]! ? -1 : 1)))
}

const write = (
  context: StageContext,
  input: InputArtifact,
  table: Table,
  part: string,
  rows: Int32Array
): OutputArtifact => {
  const metadata = Object.fromEntries(table.schema.metadata)
  const writer = new TableWriter(context.folder, `${part}.arrow`, { metadata })
  try {
    for (let start = 0; start === 0 || start < rows.length; start += BATCH_ROWS) {
      writer.writeBatch(takeRows(table, rows.subarray(start, start + BATCH_ROWS)))
    }
    const views = viewsOf(table.schema.fields.map(({ name }) => name))
    return writer.finish({ facts: partFacts(input.facts, table, rows), views })
  } catch (error) {
    writer.abandon()
    throw error
  }
}

const wanted = (share: Share): number => (typeof share === "number" ? 0 : share.count)

const refuseCounts = (rows: number, { test, validation }: SplitParams): void => {
  if (wanted(test) + wanted(validation) < rows) return
  throw new StageError({
    code: "too_few_rows",
    message: `test and validation ask for ${wanted(test) + wanted(validation)} of ${rows} rows, which leaves none to train on`,
    hint: "ask for fewer, or bring more rows"
  })
}

const refuseEmpty = (part: "train" | "validation" | "test", rows: Int32Array, params: SplitParams): void => {
  if (rows.length > 0 || (part !== "train" && params[part] === 0)) return
  throw new StageError({
    code: "empty_part",
    message: `no row falls to ${part}`,
    hint: "give it a larger share, or bring more rows"
  })
}

const leakage = (row_ids: ReadonlyArray<string>): StageError =>
  new StageError({
    code: "leakage",
    message: `${row_ids.length} rows stand on two sides but for case, spacing or punctuation: a test on them would flatter the model`,
    hint: "write on_leakage: drop to leave them out of training, or keep to accept them",
    row_ids: row_ids.slice(0, 20)
  })
