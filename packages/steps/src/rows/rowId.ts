import { hash } from "node:crypto"
import { canonicalJson } from "@hone/core/Canonical"
import type { JsonObject } from "@hone/core/Json"

/**
 * The identity of a row's input: 24 hexadecimal digits over its mapped input columns (never the label, never the position).
 * Rows of equal input share it; {@link rowId} tells them apart.
 */
export const inputId = (columns: JsonObject): string =>
  hash("sha256", `hone-row/1\0${canonicalJson(columns)}`, "hex").slice(0, 24)

/** {@link inputId} of columns that are all text, well-formed and named in the order of their code units: canonical as it is written. */
export const textInputId = (names: ReadonlyArray<string>, texts: ReadonlyArray<string>): string => {
  let json = ""
  for (let at = 0; at < names.length; at++) json += `${at === 0 ? "" : ","}"${names[at]!}":${JSON.stringify(texts[at])}`
  return hash("sha256", `hone-row/1\0{${json}}`, "hex").slice(0, 24)
}

/** The `row_id` of the n-th row (from 1) of one input: the input's own identity, then `#2`, `#3`, ... */
export const rowId = (input: string, occurrence: number): string =>
  occurrence === 1 ? input : `${input}#${occurrence}`

/** The input's identity back from a `row_id`: what decides a row's side, so that equal inputs fall on the same one. */
export const inputOfRow = (row_id: string): string => {
  const mark = row_id.indexOf("#")
  return mark < 0 ? row_id : row_id.slice(0, mark)
}

/**
 * A number in [0, 1) from a seed and an id alone, uniform over ids: 48 bits of a SHA-256. `purpose` keeps draws apart that share a
 * seed, so that a sample and a split of it are independent.
 */
export const seededRank = (purpose: string, seed: number, id: string): number =>
  parseInt(hash("sha256", `${purpose}\0${seed}\0${id}`, "hex").slice(0, 12), 16) / 2 ** 48
