import type { IngestParams } from "./params.ts"

/** A row by the columns that later steps know. `null` where the source has nothing there. */
export interface MappedRow {
  readonly text: string | null
  readonly label: string | null
}

/** The mapped columns of a source row, or what is wrong with one of them. Numbers and booleans become their text. */
export const mapRow = (
  values: Readonly<Record<string, unknown>>,
  { columns, labels }: Pick<IngestParams, "columns" | "labels">
): MappedRow | { readonly fault: string } => {
  const text = asText(values[columns.text])
  const label = asText(values[columns.label])
  if (text === undefined) return { fault: `column "${columns.text}" holds ${nature(values[columns.text])}, not text` }
  if (label === undefined)
    return { fault: `column "${columns.label}" holds ${nature(values[columns.label])}, not a label` }
  const named = label === "" ? null : label
  if (named !== null && labels !== undefined && !labels.includes(named)) {
    return { fault: `label "${named}" is none of those declared: ${labels.join(", ")}` }
  }
  return { text, label: named }
}

const asText = (value: unknown): string | null | undefined => {
  if (value === null || value === undefined) return null
  // A lone surrogate is no character: written as UTF-8 it would come back as another text than the one digested.
  if (typeof value === "string") return value.toWellFormed()
  return typeof value === "number" || typeof value === "boolean" ? String(value) : undefined
}

const nature = (value: unknown): string => (Array.isArray(value) ? "a list" : "an object")
