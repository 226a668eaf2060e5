import {
  type BadRows,
  type Census,
  inputIdOf,
  neededColumns,
  type PlacedFault,
  rowReader,
  sampleRank
} from "./census.ts"
import type { MappedRow, Target } from "./mapRow.ts"
import { sourcesOf, type TaskParams } from "./params.ts"
import type { Block } from "./rowsOfSource.ts"
import { rowId } from "../rows/rowId.ts"
import { allocate, Bits, IdNumbers, lowest, Numbers, weighted } from "./sample.ts"
import { shapes } from "./shapes.ts"

/** Reads the sources through once, counting, and chooses the rows to keep. Faults of single rows are gathered, not thrown. */
export const takeCensus = async (blocks: AsyncIterable<Block>, params: TaskParams, seed: number): Promise<Census> => {
  const tally = new Tally(params, seed)
  for await (const block of blocks) tally.add(block)
  return tally.census()
}

/** Counts rows as they come, and chooses among them when all are in. Texts are not held. */
class Tally {
  readonly #params: TaskParams
  readonly #seed: number
  readonly #read: ReturnType<typeof rowReader>
  readonly #weights: ReadonlyArray<number> | undefined
  readonly #kind: (typeof shapes)[TaskParams["task"]]["kind"]
  readonly #labelNumbers = new Map<string, number>()
  readonly #inputNumbers = new IdNumbers()
  /** By input: a number for the target of its first row. */
  readonly #firstTargets = new Numbers()
  /** By input that occurs more than once: how often. */
  readonly #occurrences = new Map<number, number>()
  readonly #repeated = new Set<string>()
  readonly #conflicting = new Set<number>()
  /** By row that may be kept. */
  readonly #ordinals = new Numbers()
  readonly #strata = new Numbers()
  readonly #sources = new Numbers()
  readonly #inputs = new Numbers()
  readonly #ranks: Array<Float64Array> = []
  /** Rows of multi-label tasks by label, among those that may be kept: names have no stratum. */
  readonly #names: Array<ReadonlyArray<number>> = []
  #rows = 0
  readonly #renamed = new Set<string>()
  #bad: BadRows | undefined
  readonly #counts = { not_selected: 0, dropped_empty: 0, dropped_unlabelled: 0, duplicates: 0, conflicting_labels: 0 }
  #firstEmpty: string | undefined
  #firstConflict: string | undefined
  #columns: ReadonlyArray<string> = []
  readonly #held = new Set<string>()
  /** Whether rows are chosen among those that may be kept. If not, all of them are kept, and need no list. */
  readonly #chooses: boolean
  readonly #chosen = new Bits()
  /** Where nothing is chosen: rows by source and label number. */
  readonly #kept: Array<Array<number>>
  readonly #nameCounts: Array<number> = []
  #keepable = 0
  readonly #watched: ReadonlyArray<string>

  constructor(params: TaskParams, seed: number) {
    this.#params = params
    this.#seed = seed
    this.#read = rowReader(params, (label) => void this.#renamed.add(label))
    this.#kind = shapes[params.task].kind
    const weights = sourcesOf(params).map(({ weight }) => weight)
    this.#weights = weights.every((weight) => weight !== undefined) ? weights : undefined
    this.#watched = neededColumns(params)
    this.#chooses = params.sample !== undefined || this.#weights !== undefined || params.conflicts === "drop"
    this.#kept = sourcesOf(params).map(() => [])
    for (const label of params.labels ?? []) this.#labelNumber(label)
  }

  add(block: Block): void {
    for (const row of block.rows) this.#addRow(row, block)
  }

  #addRow(row: Block["rows"][number], { shown, source }: Block): void {
    const ordinal = this.#rows++
    if (row.values !== undefined) {
      if (this.#columns.length === 0) this.#columns = Object.keys(row.values)
      if (this.#held.size < this.#watched.length) this.#watch(row.values)
    }
    const reading = this.#read(row, ordinal)
    if (reading.kind === "row") return this.#addInput(ordinal, source, row.line, shown, reading.mapped)
    if (reading.kind === "unselected") this.#counts.not_selected++
    else if (reading.kind === "bad") {
      this.#addBad({ place: `${shown}:${row.line}`, fault: reading.fault }, reading.isEnd === true)
    } else {
      this.#counts[reading.part === "input" ? "dropped_empty" : "dropped_unlabelled"]++
      this.#firstEmpty ??= `${shown}:${row.line}`
    }
  }

  #addBad(fault: PlacedFault, isEnd: boolean): void {
    const { count, end, first, other } = this.#bad ?? { first: fault, count: 0, other: undefined, end: undefined }
    const isOther = other === undefined && kindOf(fault) !== kindOf(first)
    this.#bad = { first, count: count + 1, other: isOther ? fault : other, end: end ?? (isEnd ? fault : undefined) }
  }

  #watch(values: Readonly<Record<string, unknown>>): void {
    for (const column of this.#watched)
      if (values[column] !== undefined && values[column] !== null) this.#held.add(column)
  }

  #addInput(ordinal: number, source: number, line: number, shown: string, mapped: MappedRow): void {
    const id = inputIdOf(this.#params, mapped.inputs)
    const size = this.#inputNumbers.size
    const input = this.#inputNumbers.number(id)
    const target = this.#targetNumber(mapped.target)
    let occurrence = 1
    if (input === size) this.#firstTargets.push(target)
    else {
      occurrence = (this.#occurrences.get(input) ?? 1) + 1
      this.#occurrences.set(input, occurrence)
      this.#counts.duplicates++
      this.#repeated.add(id)
      if (this.#firstTargets.at(input) !== target) {
        this.#counts.conflicting_labels++
        this.#conflicting.add(input)
        this.#firstConflict ??= `${shown}:${line}`
      }
      if (this.#params.duplicates === "drop") return
    }
    this.#keep(ordinal, source, input, mapped.target, () => rowId(id, occurrence))
  }

  #keep(ordinal: number, source: number, input: number, target: Target, id: () => string): void {
    const stratum = this.#kind === "name" ? this.#labelNumber(target as string) : 0
    const names = this.#kind === "names" ? (target as ReadonlyArray<string>).map((name) => this.#labelNumber(name)) : []
    const at = this.#keepable++
    if (!this.#chooses) {
      this.#chosen.add(ordinal)
      this.#kept[source]![stratum] = (this.#kept[source]![stratum] ?? 0) + 1
      for (const name of names) this.#nameCounts[name] = (this.#nameCounts[name] ?? 0) + 1
      return
    }
    this.#ordinals.push(ordinal)
    this.#sources.push(source)
    this.#strata.push(stratum)
    if (this.#params.conflicts === "drop") this.#inputs.push(input)
    if (this.#kind === "names") this.#names.push(names)
    if (this.#params.sample === undefined && this.#weights === undefined) return
    if (at % 65_536 === 0) this.#ranks.push(new Float64Array(65_536))
    this.#ranks.at(-1)![at % 65_536] = sampleRank(this.#seed, id())
  }

  /** Targets are compared by number: names by theirs, anything else as JSON. */
  #targetNumber(target: Target): number {
    if (this.#kind === "name") return this.#labelNumber(target as string)
    if (this.#kind === "none") return 0
    // A fingerprint suffices to tell that two differ.
    return this.#kind === "number" ? hashOf(String(target)) : hashOf(JSON.stringify(target))
  }

  #labelNumber(label: string): number {
    const known = this.#labelNumbers.get(label)
    if (known !== undefined) return known
    // A copy: a field cut from a chunk would keep the chunk alive.
    this.#labelNumbers.set(Buffer.from(label).toString(), this.#labelNumbers.size)
    return this.#labelNumbers.size - 1
  }

  /** By source and label, in the order of the dictionary: the places of their rows among those that may be kept. */
  #byStratum(labels: ReadonlyArray<string>, sources: number): ReadonlyArray<ReadonlyArray<Array<number>>> {
    const dropsConflicts = this.#params.conflicts === "drop"
    const place = this.#kind === "name" ? [...this.#labelNumbers.keys()].map((label) => labels.indexOf(label)) : [0]
    const width = this.#kind === "name" ? labels.length : 1
    const strata = Array.from({ length: sources }, () => Array.from({ length: width }, () => [] as Array<number>))
    for (let at = 0; at < this.#ordinals.length; at++) {
      if (dropsConflicts && this.#conflicting.has(this.#inputs.at(at))) continue
      strata[this.#sources.at(at)]![place[this.#strata.at(at)]!]!.push(at)
    }
    return strata
  }

  census(): Census {
    const labels = this.#params.labels ?? [...this.#labelNumbers.keys()].sort()
    const numbers = [...this.#labelNumbers.keys()].map((label) => labels.indexOf(label))
    const { available, bySource, nameCounts } = this.#chooses ? this.#choose(labels) : this.#all(labels, numbers)
    const labelCounts = labels.map(() => 0)
    if (this.#kind === "name")
      for (const counts of bySource) counts.forEach((count, label) => (labelCounts[label]! += count))
    nameCounts.forEach((count, number) => (labelCounts[numbers[number]!]! += count))
    const out = total(bySource)
    const { conflicting_labels, dropped_empty, dropped_unlabelled, duplicates, not_selected } = this.#counts
    return {
      counts: {
        rows_in: this.#rows,
        rows_out: out,
        ...(this.#params.where === undefined && this.#params.rows === undefined ? {} : { not_selected }),
        ...(this.#bad === undefined ? {} : { bad_rows: this.#bad.count }),
        dropped_empty,
        dropped_unlabelled,
        duplicates,
        dropped_duplicates: this.#params.duplicates === "drop" ? duplicates : 0,
        conflicting_labels,
        dropped_conflicts: this.#keepable - available,
        not_sampled: available - out
      },
      labels,
      labelCounts,
      sourceCounts: bySource.map((counts) => total([counts])),
      bad: this.#bad,
      unmapped: Object.keys(this.#params.label_map ?? {}).filter((label) => !this.#renamed.has(label)),
      firstEmpty: this.#firstEmpty,
      firstConflict: this.#firstConflict,
      columns: this.#columns,
      absent: new Set(this.#watched.filter((column) => !this.#held.has(column))),
      keeps: membership(this.#chosen),
      repeated: this.#repeated
    }
  }

  #all(labels: ReadonlyArray<string>, numbers: ReadonlyArray<number>): Choice {
    const bySource = this.#kept.map((byNumber) => {
      if (this.#kind !== "name") return [byNumber[0] ?? 0]
      const counts = labels.map(() => 0)
      byNumber.forEach((count, number) => (counts[numbers[number]!]! += count))
      return counts
    })
    return { bySource, nameCounts: this.#nameCounts, available: this.#keepable }
  }

  #choose(labels: ReadonlyArray<string>): Choice {
    const strata = this.#byStratum(labels, sourcesOf(this.#params).length)
    const present = strata.map((byLabel) => byLabel.map((places) => places.length))
    const bySource = sharesOf(present, this.#params.sample, this.#weights)
    const nameCounts: Array<number> = []
    strata.forEach((byLabel, source) =>
      byLabel.forEach((places, label) => {
        const count = bySource[source]![label]!
        const rank = (at: number) => this.#ranks[at >> 16]![at & 65_535]!
        for (const at of count === places.length ? places : lowest(places, rank, count)) {
          this.#chosen.add(this.#ordinals.at(at))
          for (const name of this.#names[at] ?? []) nameCounts[name] = (nameCounts[name] ?? 0) + 1
        }
      })
    )
    return { bySource, nameCounts, available: total(present) }
  }
}

/** A function of its own, so that the second reading holds the set alone and not the whole tally. */
const membership =
  (chosen: Bits) =>
  (ordinal: number): boolean =>
    chosen.has(ordinal)

/** Rows kept by source and label; of multi-label tasks by label number. */
interface Choice {
  readonly bySource: ReadonlyArray<ReadonlyArray<number>>
  readonly nameCounts: ReadonlyArray<number>
  /** Rows that could have been kept. */
  readonly available: number
}

const total = (counts: ReadonlyArray<ReadonlyArray<number>>): number =>
  counts.flat().reduce((sum, count) => sum + count, 0)

/** Rows to take of each source and label. */
const sharesOf = (
  counts: ReadonlyArray<ReadonlyArray<number>>,
  sample: number | undefined,
  weights: ReadonlyArray<number> | undefined
): ReadonlyArray<ReadonlyArray<number>> => {
  if (weights !== undefined) {
    const ofSource = weighted(
      counts.map((labels) => labels.reduce((sum, count) => sum + count, 0)),
      weights,
      sample
    )
    return counts.map((labels, source) => allocate(labels, ofSource[source]!))
  }
  if (sample === undefined) return counts
  // Sources without weights are one: each label in proportion over all of them.
  const flat = allocate(counts.flat(), sample)
  const width = counts[0]!.length
  return counts.map((_, source) => flat.slice(source * width, (source + 1) * width))
}

/** A fault without what is this row's own. */
const kindOf = ({ fault }: PlacedFault): string => fault.replace(/\d+|"[^"]*"/gu, "")

const hashOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0
  return hash
}
