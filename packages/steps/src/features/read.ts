import type { InputArtifact } from "@hone/core/Stage"
import { float32Lists, readTable, strings } from "../arrow/reader.ts"

/**
 * The features of rows, in the order of `rowIds`: one view of the file a row.
 * Throws when a row has none: the stage that made them read the same rows.
 */
export const readFeatures = (artifact: InputArtifact, rowIds: ReadonlyArray<string>): ReadonlyArray<Float32Array> => {
  const table = readTable(artifact)
  const hidden = float32Lists(table, "hidden")
  const place = new Map(strings(table, "row_id").map((rowId, row) => [rowId, row]))
  return rowIds.map((rowId) => {
    const row = place.get(rowId)
    if (row === undefined) throw new Error(`features have no row ${rowId}`)
    return hidden[row]!
  })
}
