import { predicateOf, RowFault } from "../where/where.ts"
import { rangeOf } from "../where/range.ts"
import { rowId, seededRank, textInputId } from "../rows/rowId.ts"
import { type MappedRow, rowMapper, type Target } from "./mapRow.ts"
import type { TaskParams } from "./params.ts"
import type { Block } from "./rowsOfSource.ts"
import { shapes } from "./shapes.ts"

/** A row of the sources that may be kept: its identity, its columns, and the values that it came with. */
export interface Candidate {
  readonly row_id: string
  readonly inputs: ReadonlyArray<string>
  readonly target: Target
  readonly values: Readonly<Record<string, unknown>>
}

/** A fault of a row, and its file and line. */
export interface PlacedFault {
  readonly place: string
  readonly fault: string
}

export interface BadRows {
  readonly first: PlacedFault
  readonly count: number
  /** The first whose fault is of another kind. */
  readonly other: PlacedFault | undefined
  /** The first after which nothing of its file could be read. */
  readonly end: PlacedFault | undefined
}

/** What the first reading of the sources finds, and which rows the second keeps. Texts are not held. */
export interface Census {
  readonly counts: Readonly<Record<string, number>>
  /** In the order of the dictionary. Empty for tasks without names. */
  readonly labels: ReadonlyArray<string>
  /** Rows kept of each label, in that order. */
  readonly labelCounts: ReadonlyArray<number>
  /** Rows kept of each source. */
  readonly sourceCounts: ReadonlyArray<number>
  readonly bad: BadRows | undefined
  /** Labels that `label_map` names and no row has. */
  readonly unmapped: ReadonlyArray<string>
  /** Place of the first row that `empties: fail` is about. */
  readonly firstEmpty: string | undefined
  readonly firstConflict: string | undefined
  /** Columns that the first row has, for telling what a missing one might have been. */
  readonly columns: ReadonlyArray<string>
  /** Columns of the source that are mapped or kept, and hold nothing in any row. */
  readonly absent: ReadonlySet<string>
  readonly keeps: (ordinal: number) => boolean
  /** Inputs that occur more than once. */
  readonly repeated: ReadonlySet<string>
}

/** What a row of the sources comes to before counting. */
type Reading =
  | { readonly kind: "unselected" }
  | { readonly kind: "bad"; readonly fault: string; readonly isEnd?: boolean }
  | { readonly kind: "missing"; readonly part: "input" | "target"; readonly mapped: MappedRow }
  | { readonly kind: "row"; readonly mapped: MappedRow }

const unselected = { kind: "unselected" } as const

/** Selects and maps rows, in both readings alike. */
export const rowReader = (params: TaskParams, onRename?: (label: string) => void) => {
  const map = rowMapper(params, onRename)
  const isWanted = params.where === undefined ? undefined : predicateOf(params.where)
  const range = params.rows === undefined ? undefined : rangeOf(params.rows)
  const hasTarget = shapes[params.task].target !== undefined
  return (row: Block["rows"][number], ordinal: number): Reading => {
    if (range !== undefined && (ordinal < range.start || ordinal >= range.end)) return unselected
    if (row.fault !== undefined) return { kind: "bad", fault: row.fault, isEnd: row.isEnd === true }
    try {
      if (isWanted !== undefined && !isWanted((name) => row.values[name])) return unselected
    } catch (error) {
      if (error instanceof RowFault) return { kind: "bad", fault: error.message }
      throw error
    }
    const mapped = map(row.values)
    if ("fault" in mapped) return { kind: "bad", fault: mapped.fault }
    if (hasTarget && mapped.target === null) return { kind: "missing", part: "target", mapped }
    const isEmpty = params.empties !== "keep" && mapped.inputs.some((text) => text === null || text.trim() === "")
    return isEmpty ? { kind: "missing", part: "input", mapped } : { kind: "row", mapped }
  }
}

/** Columns of the source that the mapping reads, in the order of the artifact. */
export const neededColumns = (params: TaskParams): ReadonlyArray<string> => {
  const { inputs, target } = shapes[params.task]
  const roles = target === undefined ? inputs : [...inputs, target]
  return [...roles.flatMap((role) => params.columns?.[role] ?? role), ...params.keep]
}

export const inputIdOf = ({ task }: TaskParams, inputs: ReadonlyArray<string | null>): string =>
  textInputId(
    shapes[task].inputs,
    inputs.map((text) => text ?? "")
  )

/** What decides whether a row is in the sample, and where it stands in it. */
export const sampleRank = (seed: number, row_id: string): number => seededRank("hone-sample/1", seed, row_id)

/** The rows that the census keeps, in the order of the sources, on reading them again; as many at once as came together. */
export async function* keptRows(
  blocks: AsyncIterable<Block>,
  params: TaskParams,
  census: Census
): AsyncGenerator<ReadonlyArray<Candidate>> {
  const read = rowReader(params)
  const occurrences = new Map<string, number>()
  let ordinal = -1
  for await (const { rows } of blocks) {
    const kept: Array<Candidate> = []
    for (const row of rows) {
      ordinal++
      const isKept = census.keeps(ordinal)
      // Only rows that are kept, or that count among equals, need their identity.
      if (!isKept && census.repeated.size === 0) continue
      const reading = read(row, ordinal)
      if (reading.kind !== "row") continue
      const inputs = reading.mapped.inputs.map((text) => text ?? "")
      const input = inputIdOf(params, inputs)
      const isRepeated = census.repeated.has(input)
      const occurrence = isRepeated ? (occurrences.get(input) ?? 0) + 1 : 1
      if (isRepeated) occurrences.set(input, occurrence)
      if (isKept)
        kept.push({ row_id: rowId(input, occurrence), inputs, target: reading.mapped.target, values: row.values! })
    }
    yield kept
  }
}
