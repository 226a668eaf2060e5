import { parse } from "yaml"
import type { Path, PipelineDocument, Place } from "../file/Document.ts"
import { startsWith } from "../file/FaultList.ts"
import { setAt } from "../file/Overrides.ts"
import { isRecord, type Json } from "../Json.ts"

/** A part of a sweep that the command line gives: `--set 'tuned.learning_rate=log(1e-5,1e-3)'`, `--trials 12`. */
export interface SweepOption {
  /** As it was typed. */
  readonly text: string
  /** Within the block. */
  readonly path: Path
  readonly value: Json
}

/** A sweep's block as written, with what the command line says over it. */
export interface SweepText {
  readonly block: Json
  readonly place: (path: Path, what: "key" | "value") => Place
  /** The text of its document, for marking lines. */
  readonly texts: Readonly<Record<string, string>>
}

const kinds = ["choice", "int", "range", "log", "expr"] as const
const call = /^(choice|int|range|log|expr)\((.*)\)$/su

/**
 * A `--set` that searches a param, as an option of the sweep: `choice(8,16,32)`, `int(64,256,64)` with its step, `range(0.8,1)`,
 * `log(1e-5,1e-3)`, `expr(0.1*tuned.learning_rate)`. Undefined for one that sets a plain value.
 */
export const searchedBy = (set: string): SweepOption | undefined => {
  const equals = set.indexOf("=")
  const match = call.exec(set.slice(equals + 1).trim())
  if (equals < 1 || match === null) return undefined
  const [kind, inner] = [match[1] as (typeof kinds)[number], match[2]!]
  return { text: `--set ${set}`, path: ["space", set.slice(0, equals)], value: domainOf(kind, inner) }
}

const domainOf = (kind: (typeof kinds)[number], inner: string): Json => {
  if (kind === "expr") return { expr: inner }
  let list: Json
  try {
    list = parse(`[${inner}]`) as Json
  } catch {
    list = inner // refused by the block's Schema, where it was typed
  }
  if (!Array.isArray(list) || kind === "choice" || kind === "log" || list.length < 3) return { [kind]: list }
  return { [kind]: list.slice(0, 2), step: list[2] as Json }
}

/** @param at where the block stands in its document: `["sweep"]`, or the top */
export const sweepText = (document: PipelineDocument, at: Path, options: ReadonlyArray<SweepOption>): SweepText => {
  const written = at.reduce<Json | undefined>(
    (value, key) => (isRecord(value) && Object.hasOwn(value, String(key)) ? value[String(key)] : undefined),
    document.value
  )
  return {
    texts: { [document.file]: document.text },
    block: options.reduce<Json>((block, { path, value }) => setAt(block, path, value), written ?? {}),
    place: (path, what) => {
      const option = options.find((one) => startsWith(path, one.path))
      if (option !== undefined) return { file: option.text, line: 1, column: 1, length: option.text.length }
      return what === "key" ? document.placeOfKey([...at, ...path]) : document.placeOf([...at, ...path])
    }
  }
}
