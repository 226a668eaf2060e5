import { Tokenizer } from "tokenizers"
import { binaries, bools, int32Lists, labelColumn, readTable, strings } from "../arrow/reader.ts"

interface Blob {
  readonly path: string
  readonly blob: string
}

/** A row as the model will see it. What its table does not have is absent. */
export interface PreviewRow {
  readonly row_id: string
  readonly text?: string
  readonly label?: string
  /** The pieces behind `input_ids`, special ones included. */
  readonly tokens?: ReadonlyArray<string>
  /** Whether the text was too long and was cut. */
  readonly truncated?: boolean
}

const pieces = (tokenizer: Blob): ((id: number) => string) => {
  const table = readTable(tokenizer)
  const place = strings(table, "file").indexOf("tokenizer.json")
  const loaded = Tokenizer.fromString(Buffer.from(binaries(table, "bytes")[place]!).toString("utf8"))
  return (id) => loaded.idToToken(id) ?? `#${id}`
}

/** The first `count` rows of a rows or tokens artifact; pieces by name where the tokenizer is given, else by number. */
export const previewRows = (rows: Blob, tokenizer: Blob | undefined, count: number): ReadonlyArray<PreviewRow> => {
  const whole = readTable(rows)
  const has = (name: string) => whole.getChild(name) !== null
  const ids = has("input_ids") ? int32Lists(whole, "input_ids") : undefined
  const piece = ids === undefined || tokenizer === undefined ? String : pieces(tokenizer)
  const texts = has("text") ? strings(whole, "text") : undefined
  const labels = has("label") ? labelColumn(whole, "label") : undefined
  const truncated = has("truncated") ? bools(whole, "truncated") : undefined
  return strings(whole, "row_id")
    .slice(0, count)
    .map((row_id, row) => ({
      row_id,
      ...(texts === undefined ? {} : { text: texts[row]! }),
      ...(labels === undefined ? {} : { label: labels.names[labels.indices[row]!]! }),
      ...(ids === undefined ? {} : { tokens: Array.from(ids[row]!, (id) => piece(id)) }),
      ...(truncated === undefined ? {} : { truncated: truncated[row]! })
    }))
}
