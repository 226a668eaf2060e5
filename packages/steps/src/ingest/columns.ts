import {
  type Column,
  float64,
  labelDictionary,
  type LabelDictionary,
  labels,
  listUtf8,
  nullableUtf8,
  utf8
} from "../arrow/columns.ts"
import type { Candidate } from "./census.ts"
import { asText } from "./mapRow.ts"
import type { TaskParams } from "./params.ts"
import { shapes } from "./shapes.ts"

/** How candidates become the columns of a rows artifact. One object serves all batches of a file. */
export class RowColumns {
  readonly #params: TaskParams
  readonly #dictionary: LabelDictionary
  readonly #place: ReadonlyMap<string, number>

  constructor(params: TaskParams, names: ReadonlyArray<string>) {
    this.#params = params
    this.#dictionary = labelDictionary(names)
    this.#place = new Map(names.map((name, at) => [name, at]))
  }

  /** Metadata of the file: the names of a list column, which has no dictionary to hold them. */
  get metadata(): Readonly<Record<string, string>> {
    return shapes[this.#params.task].kind === "names" ? { "hone.labels": JSON.stringify(this.#dictionary.names) } : {}
  }

  of(rows: ReadonlyArray<Candidate>): Record<string, Column> {
    const { inputs, target } = shapes[this.#params.task]
    const columns: Record<string, Column> = { row_id: utf8(rows.map(({ row_id }) => row_id)) }
    inputs.forEach((role, at) => (columns[role] = utf8(rows.map(({ inputs }) => inputs[at]!))))
    if (target !== undefined) columns[target] = this.#target(rows)
    for (const name of this.#params.keep) columns[name] = nullableUtf8(rows.map(({ values }) => kept(values[name])))
    return columns
  }

  #target(rows: ReadonlyArray<Candidate>): Column {
    const { kind } = shapes[this.#params.task]
    if (kind === "number") return float64(Float64Array.from(rows, ({ target }) => target as number))
    if (kind === "names") return listUtf8(rows.map(({ target }) => target as ReadonlyArray<string>))
    if (kind === "text") return utf8(rows.map(({ target }) => target as string))
    return labels(
      Int32Array.from(rows, ({ target }) => this.#place.get(target as string)!),
      this.#dictionary
    )
  }
}

/** A kept value as text; lists and objects as their JSON. */
const kept = (value: unknown): string | null => {
  const text = asText(value)
  return text === undefined ? JSON.stringify(value) : text
}
