import { writeFileSync } from "node:fs"
import { join } from "node:path"

/** A pipeline of so many steps that do next to nothing: ten rows are read, and split by one seed after the other. */
export const writeTrivial = (folder: string, steps: number): string => {
  const rows = Array.from({ length: 10 }, (_, row) => `a text of row ${row},${row % 2 === 0 ? "good" : "bad"}`)
  writeFileSync(join(folder, "rows.csv"), `text,label\n${rows.join("\n")}\n`)
  const ingest = "{ source: rows.csv, task: text-classification, columns: { text: text, label: label } }"
  const splits = Array.from(
    { length: steps - 1 },
    (_, at) => `  part${at + 1}: { uses: split, in: { rows: rows }, with: { test: { count: 3 }, seed: ${at + 1} } }`
  )
  const path = join(folder, "trivial.yaml")
  writeFileSync(
    path,
    `name: trivial\nseed: 1\nsteps:\n  rows: { uses: ingest, with: ${ingest} }\n${splits.join("\n")}\n`
  )
  return path
}
