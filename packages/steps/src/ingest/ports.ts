import type { OutputPort, PortType } from "@hone/core/Port"
import type { IngestParams } from "./params.ts"

export const rowsOutput: OutputPort = { kind: "rows", description: "row_id, text, label: one row an example" }

/** The columns of labelled texts. The label names are known before the run only where they are declared. */
export const rowsType = ({ labels, task }: IngestParams): PortType => ({
  kind: "rows",
  task,
  columns: {
    row_id: { type: "utf8", nullable: false },
    text: { type: "utf8", nullable: false },
    label: { type: "dictionary", nullable: false, ...(labels === undefined ? {} : { labels }) }
  }
})
