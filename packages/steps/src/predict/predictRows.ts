import { suggest } from "@hone/core/file/Suggest"
import { StageError } from "@hone/core/Stage"
import { Effect } from "effect"
import { attempt } from "../attempt.ts"
import { decide } from "../evaluate/decide.ts"
import { asText } from "../ingest/mapRow.ts"
import type { SourceRow } from "../ingest/readers.ts"
import { type PredictInput, type Reading, rowsOf } from "./input.ts"
import type { Fate, Predictor } from "./Predictor.ts"
import type { Sink } from "./sinks.ts"

/** Rows predicted together: they are batched by length as `evaluate` batches all of its rows. */
const WINDOW_ROWS = 4096
/** A window ends here, too, so that long texts do not fill the memory. */
const WINDOW_CHARACTERS = 32 << 20

export interface PredictWork {
  readonly input: PredictInput
  /** How messages name the input. */
  readonly shown: string
  readonly reading: Reading
  /** The texts of a row by the pipeline's name (`text`, or `text_a` and `text_b`), and the column of the input that holds each. */
  readonly texts: ReadonlyArray<{ readonly name: string; readonly column: string }>
  /** The column of the rows' ids. Absent: `id` where the input has it, else rows are numbered. */
  readonly id: string | undefined
  readonly withText: boolean
  readonly predictor: Predictor
  readonly sink: Sink
  /** Hears after each window how many rows are done. */
  readonly done: (rows: number) => void
}

export interface PredictCounts {
  readonly rows: number
  /** Rows predicted from a part of their text. */
  readonly cut: number
  /** Rows without a text, which have no prediction. */
  readonly empty: number
  /** Rows without a prediction under truncate: drop. */
  readonly too_long: number
  /** How often each label was predicted; empty for a regression. */
  readonly predicted: Readonly<Record<string, number>>
}

/**
 * Predicts every row of an input, in its order, a window at a time. Fails by StageError: `bad_row` with file and line,
 * `missing_column`, and as the predictor does. The sink is finished at the end and abandoned on failure.
 */
export const predictRows = (work: PredictWork): Effect.Effect<PredictCounts, StageError> =>
  Effect.acquireUseRelease(
    Effect.succeed(work.sink),
    () => predictAll(work),
    (sink, exit) => (exit._tag === "Success" ? Effect.void : Effect.sync(() => sink.abandon()))
  )

const predictAll = Effect.fnUntraced(function* (work: PredictWork) {
  const counts = new Counts(work.predictor)
  const windows = windowsOf(work)
  let mapping: Mapping | undefined
  for (;;) {
    const next = yield* attempt(() => windows.next())
    if (next.done === true && mapping !== undefined) break
    const rows = next.done === true ? [] : next.value
    const map = (mapping ??= yield* attempt(() => mappingOf(work, rows)))
    const texts = yield* attempt(() =>
      rows.map((row) => work.texts.map(({ column }) => textOf(row, column, work.shown)))
    )
    const { fates, scores } = yield* work.predictor.predict(texts)
    yield* attempt(() =>
      work.sink.write({
        id: idsOf(rows, map, counts.rows),
        texts: work.withText ? work.texts.map(({ name }, at) => ({ name, values: texts.map((row) => row[at]!) })) : [],
        kind: work.predictor.kind,
        labels: work.predictor.labels,
        thresholds: work.predictor.thresholds,
        scores
      })
    )
    counts.add(fates, scores)
    work.done(counts.rows)
  }
  yield* attempt(() => work.sink.finish())
  return counts.result()
})

type GoodRow = Extract<SourceRow, { readonly values: object }>

async function* windowsOf({ input, reading, shown, texts }: PredictWork): AsyncGenerator<ReadonlyArray<GoodRow>> {
  let window: Array<GoodRow> = []
  let characters = 0
  for await (const rows of rowsOf(input, reading)) {
    for (const row of rows) {
      if (row.fault !== undefined) throw badRow(`${shown}:${row.line}: ${row.fault}`)
      window.push(row)
      for (const { column } of texts) characters += String(row.values[column] ?? "").length
      if (window.length < WINDOW_ROWS && characters < WINDOW_CHARACTERS) continue
      yield window
      window = []
      characters = 0
    }
  }
  if (window.length > 0) yield window
}

const badRow = (message: string): StageError =>
  new StageError({ code: "bad_row", message, hint: "mend the row, and predict again: nothing was written" })

/** What the input has, settled by its first window. */
interface Mapping {
  /** Undefined: rows are numbered. */
  readonly id: string | undefined
}

const mappingOf = ({ id, shown, texts }: PredictWork, rows: ReadonlyArray<GoodRow>): Mapping => {
  const columns = [...new Set(rows.flatMap(({ values }) => Object.keys(values)))]
  const ask = (name: string, flag: string) => {
    if (rows.length === 0 || columns.includes(name)) return
    throw new StageError({
      code: "missing_column",
      message: `${shown} has no column "${name}"; it has ${columns.join(", ")}`,
      hint: `${suggest(name, columns)}, with --${flag}`
    })
  }
  for (const { column } of texts) ask(column, texts.length === 1 ? "text NAME" : "text NAME,NAME")
  if (id !== undefined) ask(id, "id NAME")
  return { id: id ?? (columns.includes("id") ? "id" : undefined) }
}

const textOf = ({ line, values }: GoodRow, column: string, shown: string): string | null => {
  const read = asText(values[column])
  if (read === undefined) throw badRow(`${shown}:${line}: column "${column}" holds a list or an object, not text`)
  return read
}

const idsOf = (rows: ReadonlyArray<GoodRow>, { id }: Mapping, before: number) => {
  if (id === undefined) return { name: "row", values: rows.map((_, at) => before + at + 1) } as const
  return { name: "id", values: rows.map(({ values }) => plainText(values[id])) } as const
}

const plainText = (value: unknown): string =>
  asText(value) ?? (value === undefined || value === null ? "" : JSON.stringify(value))

class Counts {
  readonly #predictor: Predictor
  readonly #predicted: Map<string, number>
  readonly #fates: Record<Fate, number> = { whole: 0, cut: 0, empty: 0, too_long: 0 }

  constructor(predictor: Predictor) {
    this.#predictor = predictor
    this.#predicted = new Map(predictor.kind === "value" ? [] : predictor.labels.map((label) => [label, 0]))
  }

  get rows(): number {
    return Object.values(this.#fates).reduce((sum, count) => sum + count, 0)
  }

  add(fates: ReadonlyArray<Fate>, scores: ReadonlyArray<Float32Array | null>): void {
    const { kind, labels, thresholds } = this.#predictor
    for (const fate of fates) this.#fates[fate]++
    for (const row of scores) {
      for (const at of row === null ? [] : decide(kind, labels, row, thresholds)) {
        this.#predicted.set(labels[at]!, this.#predicted.get(labels[at]!)! + 1)
      }
    }
  }

  result(): PredictCounts {
    const { cut, empty, too_long } = this.#fates
    return { rows: this.rows, cut, empty, too_long, predicted: Object.fromEntries(this.#predicted) }
  }
}
