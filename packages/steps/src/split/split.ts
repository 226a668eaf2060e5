import { inputOfRow, seededRank } from "../rows/rowId.ts"
import type { Share } from "./params.ts"

export const TRAIN = 0
export const VALIDATION = 1
export const TEST = 2

export interface SplitRows {
  readonly row_ids: ReadonlyArray<string>
  /** Names to take alike into every part; absent: rows are one stratum. */
  readonly strata?: ReadonlyArray<string>
  /** Values whose rows stay together; absent: rows of equal input do. */
  readonly groups?: ReadonlyArray<string>
}

export interface Sides {
  /** [rows] TRAIN, VALIDATION or TEST. */
  readonly sides: Uint8Array
  /** [rows] the hash that decided, in [0, 1): equal within a group. */
  readonly ranks: Float64Array
}

/** Rows that fall on one side together. */
interface Group {
  readonly rank: number
  readonly id: string
  readonly rows: Array<number>
  /** The least name among its rows, so that it does not hang on their order. */
  stratum: string
}

/**
 * The side of each row, by a hash of its input (or its group) and the seed, whatever order the rows come in.
 * Fractions without strata are thresholds on the hash: a row's side hangs on no other row, and the sizes are as chance has it.
 * Counts and strata take the lowest hashes of each stratum, test before validation: sizes are exact up to one group, and a row more
 * or less moves as many rows as there are borders.
 */
export const assignSides = (
  rows: SplitRows,
  { test, validation }: { readonly test: Share; readonly validation: Share },
  seed: number
): Sides => {
  const groups = groupRows(rows, seed)
  const sides = new Uint8Array(rows.row_ids.length)
  const ranks = new Float64Array(rows.row_ids.length)
  for (const { rank, rows } of groups) for (const row of rows) ranks[row] = rank
  const place = (group: Group, side: number) => {
    for (const row of group.rows) sides[row] = side
  }
  if (rows.strata === undefined && typeof test === "number" && typeof validation === "number") {
    for (const group of groups)
      place(group, group.rank < test ? TEST : group.rank < test + validation ? VALIDATION : TRAIN)
    return { sides, ranks }
  }
  const strata = [...Map.groupBy(groups, ({ stratum }) => stratum).entries()].sort(([a], [b]) => (a < b ? -1 : 1))
  const sizes = strata.map(([, members]) => members.reduce((sum, { rows }) => sum + rows.length, 0))
  const [tests, validations] = [targets(test, sizes), targets(validation, sizes)]
  strata.forEach(([, members], at) => {
    members.sort((a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1))
    let before = 0
    for (const group of members) {
      const middle = before + group.rows.length / 2
      place(group, middle <= tests[at]! ? TEST : middle <= tests[at]! + validations[at]! ? VALIDATION : TRAIN)
      before += group.rows.length
    }
  })
  return { sides, ranks }
}

/**
 * The fold of each row, from 0: within each stratum, groups in the order of their hashes are cut into so many runs of like size.
 * Which fold a row is in hangs on the seed and its hash, so that all folds of one seed are disjoint and complete.
 */
export const assignFolds = (rows: SplitRows, folds: number, seed: number): Int32Array => {
  const found = new Int32Array(rows.row_ids.length)
  for (const members of Map.groupBy(groupRows(rows, seed), ({ stratum }) => stratum).values()) {
    members.sort((a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1))
    const size = members.reduce((sum, { rows }) => sum + rows.length, 0)
    let before = 0
    for (const { rows } of members) {
      const fold = Math.min(folds - 1, Math.floor((folds * (before + rows.length / 2)) / size))
      for (const row of rows) found[row] = fold
      before += rows.length
    }
  }
  return found
}

const groupRows = ({ groups, row_ids, strata }: SplitRows, seed: number): ReadonlyArray<Group> => {
  const found = new Map<string, Group>()
  row_ids.forEach((row_id, row) => {
    const id = groups === undefined ? inputOfRow(row_id) : groups[row]!
    const stratum = strata?.[row] ?? ""
    const known = found.get(id)
    if (known === undefined) found.set(id, { id, rank: seededRank("hone-split/1", seed, id), rows: [row], stratum })
    else {
      known.rows.push(row)
      if (stratum < known.stratum) known.stratum = stratum
    }
  })
  return [...found.values()]
}

/** Rows wanted of each stratum. A fraction rounds; a count is shared in proportion, the remainders to the largest fractions. */
const targets = (share: Share, sizes: ReadonlyArray<number>): ReadonlyArray<number> => {
  if (typeof share === "number") return sizes.map((size) => Math.round(share * size))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const exact = sizes.map((size) => (share.count * size) / total)
  const wanted = exact.map(Math.floor)
  const rest = share.count - wanted.reduce((sum, count) => sum + count, 0)
  const byFraction = exact.map((value, at) => ({ at, fraction: value - Math.floor(value) }))
  byFraction.sort((a, b) => b.fraction - a.fraction || a.at - b.at)
  for (const { at } of byFraction.slice(0, rest)) wanted[at]!++
  return wanted
}

/** A text without what a careless copy changes: case, width, spacing, punctuation. */
export const plainText = (text: string): string =>
  text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim()

/**
 * Rows whose text, made plain, also stands on a side that goes before theirs: test, then validation, then train. To drop them
 * leaves the test rows as they are. Texts without a letter or digit are not compared.
 */
export const findLeaks = (texts: ReadonlyArray<string>, sides: Uint8Array): ReadonlyArray<number> => {
  const first = new Map<string, number>()
  const plain = texts.map(plainText)
  plain.forEach((text, row) => first.set(text, Math.max(first.get(text) ?? TRAIN, sides[row]!)))
  return plain.flatMap((text, row) => (text !== "" && first.get(text)! > sides[row]! ? [row] : []))
}
