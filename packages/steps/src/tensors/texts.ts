import type { Table } from "apache-arrow"
import { strings } from "../arrow/reader.ts"

/** The text of each row, or both of a pair in one line: for showing, and for a bag of words. Uncut, whatever the model saw. */
export const shownTexts = (table: Table): ReadonlyArray<string> => {
  if (table.getChild("text_b") === null) return strings(table, "text")
  const second = strings(table, "text_b")
  return strings(table, "text_a").map((first, row) => `${first} | ${second[row]}`)
}
