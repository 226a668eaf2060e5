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
}

/** Reads a source through once, counting, and chooses the rows to keep. Faults of single rows are gathered, not thrown. */
export const takeCensus = async (
  rows: AsyncIterable<SourceRow>,
  params: IngestParams,
  seed: number
): Promise<Census> => {
  const tally = new Tally(params, seed)
  for await (const row of rows) tally.add(row)
  return tally.census()
}

class Tally {
  readonly #params: IngestParams
  readonly #seed: number
  readonly #labelNumbers = new Map<string, number>()
  /** Inputs are numbered as they are met. */
  readonly #inputNumbers = new Map<string, number>()
  /** By input: the label of its first row, and how many rows it has. */
  readonly #firstLabels = new Numbers()
  readonly #occurrences = new Numbers()
  readonly #repeated = new Set<string>()
  readonly #conflicting = new Set<number>()
  /** By row that may be kept. */
  readonly #ordinals = new Numbers()
  readonly #labels = new Numbers()
  readonly #inputs = new Numbers()
  readonly #ranks = new Numbers()
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

  constructor(params: IngestParams, seed: number) {
    this.#params = params
    this.#seed = seed
    for (const label of params.labels ?? []) this.#labelNumber(label)
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
    const id = inputId({ text: mapped.text ?? "" })
    const input = this.#inputNumber(id, label)
    const occurrence = this.#occurrences.add(input, 1)
    if (occurrence > 1) {
      this.#duplicates++
      this.#repeated.add(id)
      if (this.#firstLabels.values[input] !== label) {
        this.#conflicts++
        this.#conflicting.add(input)
        this.#firstConflict ??= line
      }
      if (this.#params.duplicates === "drop") return
    }
    this.#ordinals.push(ordinal)
    this.#labels.push(label)
    this.#inputs.push(input)
    if (this.#params.sample !== undefined) this.#ranks.push(sampleRank(this.#seed, rowId(id, occurrence)))
  }

  #inputNumber(id: string, label: number): number {
    // Twelve bytes as twelve characters: there are as many of these strings as there are inputs.
    const key = Buffer.from(id, "hex").toString("latin1")
    const known = this.#inputNumbers.get(key)
    if (known !== undefined) return known
    this.#inputNumbers.set(key, this.#inputNumbers.size)
    this.#firstLabels.push(label)
    this.#occurrences.push(0)
    return this.#inputNumbers.size - 1
  }

  #labelNumber(label: string): number {
    const known = this.#labelNumbers.get(label)
    if (known !== undefined) return known
    // A copy: a field cut from a chunk would keep the chunk alive.
    this.#labelNumbers.set(Buffer.from(label).toString(), this.#labelNumbers.size)
    return this.#labelNumbers.size - 1
  }

  /** By label, in the order of the dictionary: the places of its rows among those that may be kept. */
  #strata(labels: ReadonlyArray<string>): ReadonlyArray<Numbers> {
    const dropsConflicts = this.#params.conflicts === "drop"
    const place = [...this.#labelNumbers.keys()].map((label) => labels.indexOf(label))
    const strata = labels.map(() => new Numbers())
    const [numbers, inputs] = [this.#labels.values, this.#inputs.values]
    for (let at = 0; at < numbers.length; at++) {
      if (!dropsConflicts || !this.#conflicting.has(inputs[at]!)) strata[place[numbers[at]!]!]!.push(at)
    }
    return strata
  }

  census(): Census {
    const { sample } = this.#params
    const labels = this.#params.labels ?? [...this.#labelNumbers.keys()].sort()
    const strata = this.#strata(labels).map(({ values }) => values)
    const present = strata.map((places) => places.length)
    const available = present.reduce((sum, count) => sum + count, 0)
    const labelCounts = sample === undefined ? present : allocate(present, sample)
    const out = labelCounts.reduce((sum, count) => sum + count, 0)
    const [ordinals, ranks] = [this.#ordinals.values, this.#ranks.values]
    const chosen = new Uint8Array(this.#rows)
    strata.forEach((places, label) => {
      const kept = sample === undefined ? places : lowest(places, ranks, labelCounts[label]!)
      for (const place of kept) chosen[ordinals[place]!] = 1
    })
    return {
      counts: {
        rows_in: this.#rows,
        rows_out: out,
        dropped_empty: this.#empty,
        dropped_unlabelled: this.#unlabelled,
        duplicates: this.#duplicates,
        dropped_duplicates: this.#params.duplicates === "drop" ? this.#duplicates : 0,
        conflicting_labels: this.#conflicts,
        dropped_conflicts: ordinals.length - available,
        not_sampled: available - out
      },
      labels,
      labelCounts,
      bad: this.#bad,
      firstEmpty: this.#firstEmpty,
      firstConflict: this.#firstConflict,
      columns: this.#columns,
      absent: [...(this.#hasText ? [] : (["text"] as const)), ...(this.#hasLabel ? [] : (["label"] as const))],
      keeps: (ordinal) => chosen[ordinal] === 1,
      repeated: this.#repeated
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
