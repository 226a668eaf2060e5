import { inputId, rowId, seededRank } from "../rows/rowId.ts"
import { type MappedRow, mapRow } from "./mapRow.ts"
import type { IngestParams } from "./params.ts"
import type { SourceRow } from "./readers.ts"
import { allocate, lowest, Numbers } from "./sample.ts"

/** A row of the source that may be kept: which row it is (from 0, faults included), its identity and its columns. */
export interface Candidate {
  readonly ordinal: number
  readonly row_id: string
  readonly text: string
  readonly label: string
}

export interface BadRows {
  readonly line: number
  readonly fault: string
  readonly count: number
}

/** What the first reading of a source finds, and which rows the second keeps. Texts are not held: some 100 bytes a row are. */
export interface Census {
  readonly counts: Readonly<Record<string, number>>
  /** In the order of the dictionary. */
  readonly labels: ReadonlyArray<string>
  /** Rows kept of each label, in that order. */
  readonly labelCounts: ReadonlyArray<number>
  readonly bad: BadRows | undefined
  /** Line of the first row that `empties: fail` is about. */
  readonly firstEmpty: number | undefined
  readonly firstConflict: number | undefined
  /** Columns that the first row has, for telling what a missing one might have been. */
  readonly columns: ReadonlyArray<string>
  /** Mapped columns in which no row holds anything. */
  readonly absent: ReadonlyArray<"text" | "label">
  readonly keeps: (ordinal: number) => boolean
  /** Inputs that occur more than once. */
  readonly repeated: ReadonlySet<string>
  readonly conflicting: ReadonlySet<string>
}

/** Labels get numbers as they are met; an input remembers the first one's, and how often it came. */
const MOST_LABELS = 2 ** 20

/** Reads a source through once, counting, and chooses the rows to keep. Faults of single rows are gathered, not thrown. */
export const takeCensus = async (
  rows: AsyncIterable<SourceRow>,
  params: IngestParams,
  seed: number
): Promise<Census> => {
  const tally = new Tally(params)
  for await (const row of rows) tally.add(row)
  return tally.census(seed)
}

class Tally {
  readonly #params: IngestParams
  readonly #labelNumbers = new Map<string, number>()
  readonly #inputs = new Map<string, number>()
  readonly #repeated = new Set<string>()
  readonly #conflicting = new Set<string>()
  readonly #kept: Array<{
    readonly input: string
    readonly ordinal: number
    readonly label: number
    readonly occurrence: number
  }> = []
  #rows = 0
  #bad: { line: number; fault: string; count: number } | undefined
  #empty = 0
  #unlabelled = 0
  #duplicates = 0
  #conflicts = 0
  #firstEmpty: number | undefined
  #firstConflict: number | undefined
  #columns: ReadonlyArray<string> = []
  #hasText = false
  #hasLabel = false

  constructor(params: IngestParams) {
    this.#params = params
    for (const label of params.labels ?? []) this.#labelNumbers.set(label, this.#labelNumbers.size)
  }

  add(row: SourceRow): void {
    const ordinal = this.#rows++
    if (row.fault !== undefined) return this.#addBad(row.line, row.fault)
    if (this.#columns.length === 0) this.#columns = Object.keys(row.values)
    const mapped = mapRow(row.values, this.#params)
    if ("fault" in mapped) return this.#addBad(row.line, mapped.fault)
    this.#hasText ||= mapped.text !== null
    this.#hasLabel ||= mapped.label !== null
    const missing = missingPart(mapped, this.#params)
    if (missing === undefined) return this.#addInput(ordinal, row.line, mapped)
    if (missing === "text") this.#empty++
    else this.#unlabelled++
    this.#firstEmpty ??= row.line
  }

  #addBad(line: number, fault: string): void {
    this.#bad ??= { line, fault, count: 0 }
    this.#bad.count++
  }

  #addInput(ordinal: number, line: number, mapped: MappedRow): void {
    const label = this.#labelNumber(mapped.label!)
    const input = inputId({ text: mapped.text ?? "" })
    const before = this.#inputs.get(input)
    const occurrence = before === undefined ? 1 : Math.floor(before / MOST_LABELS) + 1
    this.#inputs.set(input, occurrence * MOST_LABELS + (before === undefined ? label : before % MOST_LABELS))
    if (before !== undefined) {
      this.#duplicates++
      this.#repeated.add(input)
      if (before % MOST_LABELS !== label) {
        this.#conflicts++
        this.#conflicting.add(input)
        this.#firstConflict ??= line
      }
      if (this.#params.duplicates === "drop") return
    }
    this.#kept.push({ input, ordinal, label, occurrence })
  }

  #labelNumber(label: string): number {
    const known = this.#labelNumbers.get(label)
    if (known !== undefined) return known
    const number = this.#labelNumbers.size
    if (number === MOST_LABELS) throw new RangeError(`more than ${MOST_LABELS} labels`)
    this.#labelNumbers.set(label, number)
    return number
  }

  census(seed: number): Census {
    const dropsConflicts = this.#params.conflicts === "drop"
    const kept = dropsConflicts ? this.#kept.filter(({ input }) => !this.#conflicting.has(input)) : this.#kept
    const met = [...this.#labelNumbers.keys()]
    const labels = this.#params.labels ?? met.toSorted()
    const ordinals = labels.map(() => new Numbers())
    const ranks = labels.map(() => new Numbers())
    const place = met.map((label) => labels.indexOf(label))
    for (const { input, label, occurrence, ordinal } of kept) {
      ordinals[place[label]!]!.push(ordinal)
      ranks[place[label]!]!.push(this.#params.sample === undefined ? 0 : sampleRank(seed, rowId(input, occurrence)))
    }
    const present = ordinals.map(({ values }) => values.length)
    const labelCounts = this.#params.sample === undefined ? present : allocate(present, this.#params.sample)
    const chosen = new Uint8Array(this.#rows)
    ordinals.forEach(({ values }, label) => {
      for (const at of lowest(ranks[label]!.values, labelCounts[label]!)) chosen[values[at]!] = 1
    })
    const out = labelCounts.reduce((sum, count) => sum + count, 0)
    return {
      counts: {
        rows_in: this.#rows,
        rows_out: out,
        dropped_empty: this.#empty,
        dropped_unlabelled: this.#unlabelled,
        duplicates: this.#duplicates,
        dropped_duplicates: this.#params.duplicates === "drop" ? this.#duplicates : 0,
        conflicting_labels: this.#conflicts,
        dropped_conflicts: this.#kept.length - kept.length,
        not_sampled: kept.length - out
      },
      labels,
      labelCounts,
      bad: this.#bad,
      firstEmpty: this.#firstEmpty,
      firstConflict: this.#firstConflict,
      columns: this.#columns,
      absent: [...(this.#hasText ? [] : (["text"] as const)), ...(this.#hasLabel ? [] : (["label"] as const))],
      keeps: (ordinal) => chosen[ordinal] === 1,
      repeated: this.#repeated,
      conflicting: this.#conflicting
    }
  }
}

/** What decides whether a row is in the sample, and where it stands in it. */
export const sampleRank = (seed: number, row_id: string): number => seededRank("hone-sample/1", seed, row_id)

const missingPart = ({ label, text }: MappedRow, { empties }: IngestParams): "text" | "label" | undefined => {
  if (label === null) return "label"
  return empties !== "keep" && (text === null || text.trim() === "") ? "text" : undefined
}

/** The rows that the census keeps, in the order of the source, on reading it again. */
export async function* keptRows(
  rows: AsyncIterable<SourceRow>,
  params: IngestParams,
  census: Census
): AsyncGenerator<Candidate> {
  const occurrences = new Map<string, number>()
  let ordinal = -1
  for await (const row of rows) {
    ordinal++
    const mapped = row.values === undefined ? undefined : mapRow(row.values, params)
    if (mapped === undefined || "fault" in mapped || missingPart(mapped, params) !== undefined) continue
    const text = mapped.text ?? ""
    // Only rows that are kept, or that count among equals, need their identity.
    if (!census.keeps(ordinal) && census.repeated.size === 0) continue
    const input = inputId({ text })
    const occurrence = (occurrences.get(input) ?? 0) + 1
    if (census.repeated.has(input)) occurrences.set(input, occurrence)
    if (census.keeps(ordinal)) yield { ordinal, row_id: rowId(input, occurrence), text, label: mapped.label! }
  }
}
