import { Schema } from "effect"

/** A mistake of the user's, placed. Lines and columns count from 1, as editors do. */
export const Fault = Schema.Struct({
  file: Schema.String,
  line: Schema.Int,
  column: Schema.Int,
  /** Characters to mark, from `column`. */
  length: Schema.Int,
  /** A stable name for scripts: `unknown_param`, `cycle`. */
  code: Schema.String,
  message: Schema.String,
  hint: Schema.String
})
export type Fault = typeof Fault.Type

/** Every fault of a pipeline file at once, in the order of the file. */
export class PipelineFaults extends Schema.TaggedError<PipelineFaults>()("PipelineFaults", {
  faults: Schema.Array(Fault),
  /** The texts that the places count in, by file, for marking the line. */
  texts: Schema.Record(Schema.String, Schema.String)
}) {
  override get message() {
    return renderFaults(this.faults, this.texts)
  }
}

const shown = 50
// A longer line is cut around the place.
const widest = 140

const byPlace = (a: Fault, b: Fault) => a.line - b.line || a.column - b.column || (a.message < b.message ? -1 : 1)

/** In the order of the file, then of those it includes, each fault once. */
export const sortFaults = (faults: ReadonlyArray<Fault>, root: string): ReadonlyArray<Fault> => {
  const seen = new Set<string>()
  const byFile = (a: Fault, b: Fault) =>
    a.file === b.file ? byPlace(a, b) : a.file === root ? -1 : b.file === root ? 1 : a.file < b.file ? -1 : 1
  return [...faults].sort(byFile).filter((fault) => {
    const id = `${fault.file}:${fault.line}:${fault.column}:${fault.message}`
    return seen.has(id) ? false : (seen.add(id), true)
  })
}

const renderFault = (fault: Fault, lines: ReadonlyArray<string> | undefined): string => {
  const out = [`${fault.file}:${fault.line}:${fault.column}: ${fault.message}`]
  const line = lines?.[fault.line - 1]
  if (line !== undefined && line.trim() !== "") {
    const gutter = String(fault.line)
    const from = line.length <= widest ? 0 : Math.max(0, fault.column - 61)
    const cut = `${from > 0 ? "…" : ""}${line.slice(from + (from > 0 ? 1 : 0), from + widest)}`
    const width = Math.max(1, Math.min(fault.length, cut.length - (fault.column - 1 - from)))
    out.push(`  ${gutter} | ${cut}`)
    out.push(`  ${" ".repeat(gutter.length)} | ${" ".repeat(fault.column - 1 - from)}${"^".repeat(width)}`)
  }
  if (fault.hint !== "") out.push(`  ${fault.hint}`)
  return out.join("\n")
}

/** The faults as text: place, message, the line with the place marked, the mend. At most fifty; the rest is counted. */
export const renderFaults = (faults: ReadonlyArray<Fault>, texts: Readonly<Record<string, string>>): string => {
  const lines = new Map(Object.entries(texts).map(([file, text]) => [file, text.split(/\r?\n/)]))
  const parts = faults.slice(0, shown).map((fault) => renderFault(fault, lines.get(fault.file)))
  if (faults.length > shown) parts.push(`... and ${faults.length - shown} more`)
  parts.push(faults.length === 1 ? "1 fault; nothing ran" : `${faults.length} faults; nothing ran`)
  return parts.join("\n\n")
}
