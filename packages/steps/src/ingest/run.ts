import { StageError } from "@hone/core/Stage"
import type { InputSource, OutputArtifact, StageContext, StageResult } from "@hone/core/Stage"
import { nearest, suggest } from "@hone/core/file/Suggest"
import { Effect } from "effect"
import { TableWriter } from "../arrow/writer.ts"
import { attempt } from "../attempt.ts"
import { columnsOf as columnsOfWhere } from "../where/where.ts"
import { type BadRows, type Candidate, type Census, keptRows, neededColumns, sampleRank } from "./census.ts"
import { RowColumns } from "./columns.ts"
import { sourcesOf, type IngestParams, type TaskParams } from "./params.ts"
import { type OpenSource, rowsOfSources } from "./rowsOfSource.ts"
import { columnOf, shapes } from "./shapes.ts"
import { SourceReading } from "./SourceReading.ts"
import { takeCensus } from "./takeCensus.ts"

const BATCH_ROWS = 16_384
const BATCH_CHARACTERS = 8 << 20

/** Reads the sources twice: to count and choose, then to write what was chosen. Neither holds the texts that are not sampled. */
export const run = Effect.fn("ingest.run")(function* (context: StageContext) {
  return yield* attempt(() => ingest(context, context.params as IngestParams))
})

const ingest = async (context: StageContext, params: IngestParams): Promise<StageResult> => {
  if (params.task === undefined) throw new TypeError("ingest was run without a task")
  return ingestTask(context, { ...params, task: params.task })
}

const ingestTask = async (context: StageContext, params: TaskParams): Promise<StageResult> => {
  let done = 0
  const sources = sourcesOf(params).map(({ name }) => context.sources[name]!)
  const open = sources.map((source): OpenSource => ({
    path: source.path,
    reading: new SourceReading(source, (bytes) => {
      done += bytes
      context.progress({ done, total: 2 * size, unit: "bytes" })
    })
  }))
  const size = open.reduce((sum, { reading }) => sum + reading.size, 0)
  const formats = new Set<string>()
  const columns = [...neededColumns(params), ...(params.where === undefined ? [] : columnsOfWhere(params.where))]
  const rows = () => rowsOfSources(open, params, columns, (format) => void formats.add(format))
  const census = await takeCensus(rows(), params, context.seed)
  refuse(census, params, sources)
  const output = await write(context, census, params, keptRows(rows(), params, census))
  const moved = sources.filter((_, at) => !open[at]!.reading.isAsPlanned)
  const counts = {
    ...census.counts,
    format: [...formats].join(", "),
    ...labelCountsOf(census, params),
    ...shares(census, sources)
  }
  return {
    outputs: { rows: output.artifact },
    counts: { ...counts, ...output.counts },
    warnings: warningsOf(census, params),
    ...(moved.length === 0 ? {} : { uncached: `${moved[0]!.spec} changed after the run had started` })
  }
}

const fail = (code: string, message: string, hint: string) => new StageError({ code, message, hint })

/** The first, how many more, and one of those that has another fault. */
const toldBad = ({ count, first, other }: BadRows): string => {
  const more = count === 1 ? "" : `${count - 1} more ${count === 2 ? "row" : "rows"} with a fault`
  const unlike = other === undefined ? "" : `, such as ${other.place}: ${other.fault}`
  return `${first.place}: ${first.fault}${more === "" ? "" : ` (and ${more}${unlike})`}`
}

/** Everything that keeps rows from being made, before one is written. */
const refuse = (census: Census, params: TaskParams, sources: ReadonlyArray<InputSource>): void => {
  const { absent, bad, columns, counts, firstConflict, firstEmpty } = census
  const spec = sources.length === 1 ? sources[0]!.spec : `${sources[0]!.spec} and ${sources.length - 1} more`
  if (bad?.end !== undefined) {
    const { count, end, first } = bad
    const others = count === 1 ? "" : `; ${count - 1} other ${count === 2 ? "row has" : "rows have"} a fault`
    const such = others === "" || first === end ? "" : `, the first ${first.place}: ${first.fault}`
    const hint = "mend the file, or choose how it is read: format, delimiter, quote, encoding"
    throw fail("unreadable", `${end.place}: ${end.fault}, and nothing after it can be read${others}${such}`, hint)
  }
  if (bad !== undefined && bad.count > params.max_bad_rows) {
    const allowed = params.max_bad_rows === 0 ? "" : `; max_bad_rows allows ${params.max_bad_rows}`
    const hint = bad.first.fault.startsWith("label ")
      ? "add it to labels, give it another name by label_map, or leave such rows out by where"
      : "mend the file, choose how it is read (format, delimiter, encoding), or allow some by max_bad_rows"
    throw fail("bad_row", `${toldBad(bad)}${allowed}`, hint)
  }
  if (counts["rows_in"] === 0) throw fail("no_rows", `${spec} holds no row`, "name a source that has rows")
  const name = neededColumns(params).find((column) => absent.has(column) && !columns.includes(column))
  if (name !== undefined && !params.keep.includes(name)) {
    const message = `${spec}: no row has a column "${name}"; it has ${listed(columns)}`
    throw fail("missing_column", message, suggest(name, columns))
  }
  if (params.empties === "fail" && firstEmpty !== undefined) {
    const count = counts["dropped_empty"]! + counts["dropped_unlabelled"]!
    const message = `${firstEmpty}: the text or the label is empty (${count} such rows)`
    throw fail("empty_row", message, "mend them, or write empties: drop")
  }
  if (params.conflicts === "fail" && firstConflict !== undefined) {
    const message = `${firstConflict}: this text occurred before with another label (${counts["conflicting_labels"]} such rows)`
    throw fail("conflicting_labels", message, "mend them, or write conflicts: drop")
  }
  if (counts["rows_out"] === 0)
    throw fail(
      "no_rows",
      `${spec}: no row is left of ${counts["rows_in"]}`,
      "see where, rows, empties, duplicates and conflicts"
    )
}

const listed = (names: ReadonlyArray<string>): string =>
  names.length > 20 ? `${names.slice(0, 20).join(", ")} and ${names.length - 20} more` : names.join(", ")

const write = async (
  context: StageContext,
  census: Census,
  params: TaskParams,
  rows: AsyncIterable<ReadonlyArray<Candidate>>
): Promise<{ readonly artifact: OutputArtifact; readonly counts: { readonly target?: TargetFacts } }> => {
  const columns = new RowColumns(params, census.labels)
  const writer = new TableWriter(context.folder, "rows.arrow", { metadata: columns.metadata })
  const spread = new Spread()
  const isNumber = shapes[params.task].kind === "number"
  const isDrawn = params.sample !== undefined || sourcesOf(params).some(({ weight }) => weight !== undefined)
  try {
    for await (const batch of isDrawn ? drawn(rows, params, context.seed) : inBatches(rows)) {
      if (isNumber) for (const { target } of batch) spread.add(target as number)
      writer.write(columns.of(batch))
    }
    const target = isNumber ? { target: spread.facts } : {}
    const facts = { rows: writer.rows, task: params.task, ...factsOfLabels(census, params), ...target }
    return { artifact: writer.finish({ facts }), counts: target }
  } catch (error) {
    writer.abandon()
    throw error
  }
}

type TargetFacts = { readonly mean: number; readonly sd: number; readonly min: number; readonly max: number }

/** Mean and standard deviation (of the population) in one pass, by Welford's recurrence. */
class Spread {
  #count = 0
  #mean = 0
  #squares = 0
  #min = Infinity
  #max = -Infinity

  add(value: number): void {
    this.#count++
    const before = value - this.#mean
    this.#mean += before / this.#count
    this.#squares += before * (value - this.#mean)
    this.#min = Math.min(this.#min, value)
    this.#max = Math.max(this.#max, value)
  }

  get facts(): TargetFacts {
    return { mean: this.#mean, sd: Math.sqrt(this.#squares / this.#count), min: this.#min, max: this.#max }
  }
}

async function* inBatches(groups: AsyncIterable<ReadonlyArray<Candidate>>): AsyncGenerator<ReadonlyArray<Candidate>> {
  let batch: Array<Candidate> = []
  let characters = 0
  for await (const rows of groups) {
    for (const row of rows) {
      batch.push(row)
      for (const text of row.inputs) characters += text.length
      if (batch.length < BATCH_ROWS && characters < BATCH_CHARACTERS) continue
      yield batch
      batch = []
      characters = 0
    }
  }
  if (batch.length > 0) yield batch
}

/** A sample is held whole, to stand in the order of its ranks: sources are often sorted by label. */
async function* drawn(
  groups: AsyncIterable<ReadonlyArray<Candidate>>,
  { keep }: TaskParams,
  seed: number
): AsyncGenerator<ReadonlyArray<Candidate>> {
  const ranked: Array<{ readonly rank: number; readonly row: Candidate }> = []
  for await (const rows of groups)
    for (const row of rows) ranked.push({ rank: sampleRank(seed, row.row_id), row: ownCopy(row, keep) })
  ranked.sort((a, b) => a.rank - b.rank || (a.row.row_id < b.row.row_id ? -1 : 1))
  const inOrder = async function* () {
    yield ranked.map(({ row }) => row)
  }
  yield* inBatches(inOrder())
}

/** A row whose texts keep no chunk of the source alive: a field cut from a chunk is a view of it to the engine. */
const ownCopy = (row: Candidate, keep: ReadonlyArray<string>): Candidate =>
  structuredClone({ ...row, values: Object.fromEntries(keep.map((name) => [name, row.values[name]])) })

const labelCounts = ({ labelCounts, labels }: Census): Record<string, number> =>
  Object.fromEntries(labels.map((label, at) => [label, labelCounts[at]!]))

const hasNames = ({ task }: TaskParams): boolean => ["name", "names"].includes(shapes[task].kind)

const factsOfLabels = (census: Census, params: TaskParams) =>
  hasNames(params) ? { labels: census.labels, counts: labelCounts(census) } : {}

const labelCountsOf = (census: Census, params: TaskParams) => (hasNames(params) ? { labels: labelCounts(census) } : {})

const shares = ({ sourceCounts }: Census, sources: ReadonlyArray<InputSource>) =>
  sources.length === 1 ? {} : { sources: Object.fromEntries(sources.map(({ spec }, at) => [spec, sourceCounts[at]!])) }

const warningsOf = (census: Census, params: TaskParams): ReadonlyArray<string> => {
  const { bad, counts, labelCounts, labels } = census
  const present = labels.filter((_, at) => labelCounts[at]! > 0)
  const available = counts["rows_out"]! + counts["not_sampled"]!
  const warnings: Array<string> = []
  if (bad !== undefined) {
    warnings.push(`${bad.count} bad ${bad.count === 1 ? "row" : "rows"} left out: ${toldBad(bad)}`)
  }
  const alike = Object.values(Object.groupBy(labels, (label) => label.trim().toLowerCase())).flatMap((group) =>
    group !== undefined && group.length > 1 ? [group] : []
  )
  for (const label of census.unmapped) {
    const near = nearest(label, labels)
    const meant = near === undefined ? "" : `: did you mean "${near}"?`
    warnings.push(`label_map names "${label}", which no row has${meant}`)
  }
  if (alike.length > 0) {
    const more = alike.length === 1 ? "" : ` (and ${alike.length - 1} more such)`
    const names = alike[0]!.map((label) => JSON.stringify(label)).join(" and ")
    warnings.push(`labels ${names} differ in case or spaces alone${more}: label_map makes one of them`)
  }
  if (hasNames(params) && present.length === 1)
    warnings.push(`every row has the label "${present[0]}": there is nothing to tell apart`)
  if (shapes[params.task].kind === "name" && present.length > 100 && 2 * present.length > counts["rows_out"]!) {
    const column = String(columnOf("label", params.columns))
    warnings.push(`${present.length} labels for ${counts["rows_out"]} rows: is "${column}" the label column?`)
  }
  if (params.sample !== undefined && params.sample > counts["rows_out"]!) {
    const weighted = sourcesOf(params).some(({ weight }) => weight !== undefined)
    const which = weighted
      ? `${counts["rows_out"]} can be had by these weights`
      : `${available} can be had: all are kept`
    warnings.push(`sample asks for ${params.sample} rows where ${which}`)
  }
  if (params.conflicts === "keep" && counts["conflicting_labels"]! > 0) {
    warnings.push(`${counts["conflicting_labels"]} rows have a text that also occurs with another label`)
  }
  return warnings
}
