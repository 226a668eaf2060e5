import {
  type InputArtifact,
  type OutputArtifact,
  type StageContext,
  StageError,
  type StageResult
} from "@hone/core/Stage"
import type { Table } from "apache-arrow"
import { Effect } from "effect"
import { labelColumn, nullableStrings, readTable, strings } from "../arrow/reader.ts"
import { takeRows } from "../arrow/take.ts"
import { TableWriter } from "../arrow/writer.ts"
import { attempt } from "../attempt.ts"
import { partFacts } from "../rows/partFacts.ts"
import { viewsOf } from "../rows/views.ts"
import { FREE, givenSides } from "./given.ts"
import { findNearDuplicates } from "./nearDuplicates.ts"
import { isShare, type Share, type SplitParams } from "./params.ts"
import { assignFolds, assignSides, findLeaks, type Sides, type SplitRows, TEST, TRAIN, VALIDATION } from "./split.ts"

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
  const row_ids = strings(table, "row_id")
  const placed = place(table, { row_ids, ...strataOf(table, params), ...groupsOf(table, params) }, params, context.seed)
  const { dropped, leaks, near } = acrossSides(table, row_ids, placed.sides, params)
  const members = parts.map(([part, side]) => [part, membersOf(placed, side, dropped, row_ids)] as const)
  for (const [part, rows] of members) refuseEmpty(part, rows, params)
  const outputs = members.map(([part, rows]) => [part, write(context, input, table, part, rows)])
  return {
    outputs: Object.fromEntries(outputs),
    counts: {
      rows_in: table.numRows,
      ...Object.fromEntries(members.map(([part, rows]) => [part, rows.length])),
      leaks: leaks.length,
      ...(params.near_duplicates === "ignore" ? {} : { near_duplicates: near.length }),
      dropped_leaks: dropped.size
    },
    warnings: [
      ...(params.on_leakage === "keep" && leaks.length > 0
        ? [`${leaks.length} rows stand on two sides but for case, spacing or punctuation`]
        : []),
      ...(params.near_duplicates === "count" && near.length > 0
        ? [`${near.length} rows are near duplicates of rows on another side; near_duplicates: drop leaves them out`]
        : [])
    ]
  }
}

/** Sides given first; then the fold; then what is left is drawn. */
const place = (table: Table, rows: SplitRows, params: SplitParams, seed: number): Sides => {
  const sides = givenSides(table, params)
  if (params.folds !== undefined) {
    const free = Array.from(sides.keys()).filter((row) => sides[row] === FREE)
    const folds = assignFolds(some(rows, free), params.folds, seed)
    free.forEach((row, at) => folds[at] === params.fold && (sides[row] = TEST))
  }
  const free = Array.from(sides.keys()).filter((row) => sides[row] === FREE)
  const [validation, test] = [params.validation, params.test].map((part) => (isShare(part) ? part : 0)) as [
    Share,
    Share
  ]
  refuseCounts(free.length, { validation, test })
  const drawn = assignSides(some(rows, free), { validation, test }, seed)
  const ranks = assignSides(rows, { validation: 0, test: 0 }, seed).ranks
  free.forEach((row, at) => (sides[row] = drawn.sides[at]!))
  return { sides, ranks }
}

const some = ({ groups, row_ids, strata }: SplitRows, rows: ReadonlyArray<number>): SplitRows => ({
  row_ids: rows.map((row) => row_ids[row]!),
  ...(groups === undefined ? {} : { groups: rows.map((row) => groups[row]!) }),
  ...(strata === undefined ? {} : { strata: rows.map((row) => strata[row]!) })
})

/** What each row's input reads as, for comparing rows of different sides. */
const inputTexts = (table: Table): ReadonlyArray<string> => {
  const columns = ["text", "text_a", "text_b", "input", "messages"].filter((name) => table.getChild(name) !== null)
  const texts = columns.map((name) => strings(table, name))
  return texts.length === 0
    ? []
    : texts[0]!.map((text, row) => [text, ...texts.slice(1).map((column) => column[row]!)].join("\n"))
}

const acrossSides = (table: Table, row_ids: ReadonlyArray<string>, sides: Uint8Array, params: SplitParams) => {
  const texts = inputTexts(table)
  const leaks = findLeaks(texts, sides)
  if (leaks.length > 0 && params.on_leakage === "fail") throw leakage(leaks.map((row) => row_ids[row]!))
  const isLeak = new Set(leaks)
  const looks = params.near_duplicates !== "ignore" && texts.length > 0
  const near = looks ? findNearDuplicates(texts, sides, params.near_threshold).filter((row) => !isLeak.has(row)) : []
  if (near.length > 0 && params.near_duplicates === "fail")
    throw nearLeakage(
      near.map((row) => row_ids[row]!),
      params
    )
  const dropped = new Set([
    ...(params.on_leakage === "drop" ? leaks : []),
    ...(params.near_duplicates === "drop" ? near : [])
  ])
  return { leaks, near, dropped }
}

const strataOf = (table: Table, { stratify_by }: SplitParams) => {
  if (stratify_by === undefined) return {}
  const { indices, names } = labelColumn(table, stratify_by)
  return { strata: Array.from(indices, (index) => names[index]!) }
}

const groupsOf = (table: Table, { group_by }: SplitParams) =>
  group_by === undefined ? {} : { groups: nullableStrings(table, group_by).map((value, row) => value ?? `row ${row}`) }

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

const refuseCounts = (
  rows: number,
  { test, validation }: { readonly test: Share; readonly validation: Share }
): void => {
  const asked = wanted(test) + wanted(validation)
  if (asked === 0 || asked < rows) return
  throw new StageError({
    code: "too_few_rows",
    message: `test and validation ask for ${asked} of ${rows} rows, which leaves none to train on`,
    hint: "ask for fewer, or bring more rows"
  })
}

const refuseEmpty = (part: "train" | "validation" | "test", rows: Int32Array, params: SplitParams): void => {
  if (rows.length > 0 || (part !== "train" && params[part] === 0 && !(part === "test" && params.folds !== undefined)))
    return
  throw new StageError({
    code: "empty_part",
    message: `no row falls to ${part}`,
    hint: "give it a larger share, mend the expression that names it, or bring more rows"
  })
}

const leakage = (row_ids: ReadonlyArray<string>): StageError =>
  new StageError({
    code: "leakage",
    message: `${row_ids.length} rows stand on two sides but for case, spacing or punctuation: a test on them would flatter the model`,
    hint: "write on_leakage: drop to leave them out of training, or keep to accept them",
    row_ids: row_ids.slice(0, 20)
  })

const nearLeakage = (row_ids: ReadonlyArray<string>, { near_threshold }: SplitParams): StageError =>
  new StageError({
    code: "near_duplicates",
    message: `${row_ids.length} rows share ${Math.round(100 * near_threshold)} % or more of their runs of three words with a row on another side`,
    hint: "write near_duplicates: drop to leave them out of training, or count to accept them",
    row_ids: row_ids.slice(0, 20)
  })
