import type { Place } from "./hone.ts"
import { makePlace } from "./hone.ts"

/** The smallest run with a store worth breaking: forty rows are read and split, in two results. */
export const pipeline = `name: small
steps:
  reviews: { uses: ingest, with: { source: r.csv, task: text-classification, columns: { text: text, label: label } } }
  parts: { uses: split, in: { rows: reviews }, with: { test: 0.5, stratify_by: label } }
`

export const rows = (n: number): string =>
  ["text,label", ...Array.from({ length: n }, (_, i) => `"row number ${i}",${i % 2 === 0 ? "a" : "b"}`)].join("\n")

/** A place with these rows as `r.csv` and the pipeline as `small.yaml`. */
export const makeTwoSteps = (): Place => {
  const place = makePlace()
  place.write("r.csv", rows(40))
  place.write("small.yaml", pipeline)
  return place
}
