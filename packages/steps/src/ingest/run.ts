import { StageError } from "@hone/core/Stage"
import type { InputSource, OutputArtifact, StageContext, StageResult } from "@hone/core/Stage"
import { suggest } from "@hone/core/file/Suggest"
import { Effect } from "effect"
import { type LabelDictionary, labelDictionary, labels, utf8 } from "../arrow/columns.ts"
import { TableWriter } from "../arrow/writer.ts"
import { attempt } from "../attempt.ts"
import { type Candidate, type Census, keptRows, sampleRank, takeCensus } from "./census.ts"
import { type Format, sniffFormat } from "./format.ts"
import type { IngestParams } from "./params.ts"
import { readHead } from "./peek.ts"
import { readRows } from "./readers.ts"
import { SourceReading } from "./SourceReading.ts"

const BATCH_ROWS = 16_384
const BATCH_CHARACTERS = 32 << 20

/** Reads the source twice: to count and choose, then to write what was chosen. Neither holds the texts that are not sampled. */
export const run = Effect.fn("ingest.run")(function* (context: StageContext) {
  const source = context.sources["source"]!
  return yield* attempt(() => ingest(context, context.params as IngestParams, source))
})

const ingest = async (context: StageContext, params: IngestParams, source: InputSource): Promise<StageResult> => {
  let done = 0
  const reading = new SourceReading(source, (bytes) => {
    done += bytes
    context.progress({ done, total: 2 * reading.size, unit: "bytes" })
  })
  const format = params.format === "auto" ? sniffFormat(await readHead(source.path)) : params.format
  const census = await reading.read((chunks) => takeCensus(readRows(format, chunks), params, context.seed))
  refuse(census, params, source)
  const output = await reading.read((chunks) =>
    write(context, census, params, keptRows(readRows(format, chunks), params, census))
  )
  reading.finish()
  return { outputs: { rows: output }, counts: countsOf(census, format), warnings: warningsOf(census, params) }
}

/** Everything that keeps rows from being made, before one is written. */
const refuse = (census: Census, params: IngestParams, { spec }: InputSource): void => {
  const { absent, bad, columns, counts, firstConflict, firstEmpty } = census
  const fail = (code: string, message: string, hint: string) => new StageError({ code, message, hint })
  if (bad !== undefined) {
    const rest = bad.count === 1 ? "" : ` (and ${bad.count - 1} more ${bad.count === 2 ? "row" : "rows"} with a fault)`
    throw fail("bad_row", `${spec}:${bad.line}: ${bad.fault}${rest}`, "mend the file, or choose its format with format")
  }
  if (counts["rows_in"] === 0) throw fail("no_rows", `${spec} holds no row`, "name a source that has rows")
  for (const column of absent) {
    const name = params.columns[column]
    if (!columns.includes(name)) {
      throw fail(
        "missing_column",
        `${spec}: no row has a column "${name}"; it has ${columns.join(", ")}`,
        suggest(name, columns)
      )
    }
  }
  if (params.empties === "fail" && firstEmpty !== undefined) {
    const count = counts["dropped_empty"]! + counts["dropped_unlabelled"]!
    throw fail(
      "empty_row",
      `${spec}:${firstEmpty}: the text or the label is empty (${count} such rows)`,
      "mend them, or write empties: drop"
    )
  }
  if (params.conflicts === "fail" && firstConflict !== undefined) {
    const message = `${spec}:${firstConflict}: this text occurred before with another label (${counts["conflicting_labels"]} such rows)`
    throw fail("conflicting_labels", message, "mend them, or write conflicts: drop")
  }
  if (counts["rows_out"] === 0)
    throw fail("no_rows", `${spec}: no row is left of ${counts["rows_in"]}`, "see empties, duplicates and conflicts")
}

const write = async (
  context: StageContext,
  census: Census,
  params: IngestParams,
  rows: AsyncIterable<Candidate>
): Promise<OutputArtifact> => {
  const dictionary = labelDictionary(census.labels)
  const writer = new TableWriter(context.folder, "rows.arrow")
  try {
    const batches = params.sample === undefined ? inBatches(rows) : drawn(rows, context.seed)
    for await (const batch of batches) writer.write(columnsOf(batch, dictionary))
    return writer.finish({
      facts: { rows: writer.rows, task: params.task, labels: census.labels, counts: labelCounts(census) }
    })
  } catch (error) {
    writer.abandon()
    throw error
  }
}

async function* inBatches(rows: AsyncIterable<Candidate>): AsyncGenerator<ReadonlyArray<Candidate>> {
  let batch: Array<Candidate> = []
  let characters = 0
  for await (const row of rows) {
    batch.push(row)
    characters += row.text.length
    if (batch.length < BATCH_ROWS && characters < BATCH_CHARACTERS) continue
    yield batch
    batch = []
    characters = 0
  }
  if (batch.length > 0) yield batch
}

/** A sample is held whole, to stand in the order of its ranks: sources are often sorted by label. */
async function* drawn(rows: AsyncIterable<Candidate>, seed: number): AsyncGenerator<ReadonlyArray<Candidate>> {
  const ranked: Array<{ readonly rank: number; readonly row: Candidate }> = []
  for await (const row of rows) {
    ranked.push({
      rank: sampleRank(seed, row.row_id),
      row: { ...row, text: ownCopy(row.text), label: ownCopy(row.label) }
    })
  }
  ranked.sort((a, b) => a.rank - b.rank || (a.row.row_id < b.row.row_id ? -1 : 1))
  const inOrder = async function* () {
    for (const { row } of ranked) yield row
  }
  yield* inBatches(inOrder())
}

/** A text that keeps no chunk of the source alive: a field cut from a chunk is a view of it to the engine. */
const ownCopy = (text: string): string => Buffer.from(text).toString()

const columnsOf = (rows: ReadonlyArray<Candidate>, dictionary: LabelDictionary) => {
  const place = new Map(dictionary.names.map((name, at) => [name, at]))
  return {
    row_id: utf8(rows.map(({ row_id }) => row_id)),
    text: utf8(rows.map(({ text }) => text)),
    label: labels(
      Int32Array.from(rows, ({ label }) => place.get(label)!),
      dictionary
    )
  }
}

const labelCounts = ({ labelCounts, labels }: Census): Record<string, number> =>
  Object.fromEntries(labels.map((label, at) => [label, labelCounts[at]!]))

const countsOf = (census: Census, format: Format) => ({ ...census.counts, format, labels: labelCounts(census) })

const warningsOf = (census: Census, params: IngestParams): ReadonlyArray<string> => {
  const { counts, labelCounts, labels } = census
  const present = labels.filter((_, at) => labelCounts[at]! > 0)
  const available = counts["rows_out"]! + counts["not_sampled"]!
  const warnings: Array<string> = []
  if (present.length === 1) warnings.push(`every row has the label "${present[0]}": there is nothing to tell apart`)
  if (present.length > 100 && 2 * present.length > counts["rows_out"]!) {
    warnings.push(
      `${present.length} labels for ${counts["rows_out"]} rows: is "${params.columns.label}" the label column?`
    )
  }
  if (params.sample !== undefined && params.sample > available) {
    warnings.push(`sample asks for ${params.sample} rows where ${available} can be had: all are kept`)
  }
  if (params.conflicts === "keep" && counts["conflicting_labels"]! > 0) {
    warnings.push(`${counts["conflicting_labels"]} rows have a text that also occurs with another label`)
  }
  return warnings
}
