import type { InputPort, OutputPort } from "@hone/core/Port"

export const splitInput: InputPort = {
  accepts: ["rows", "tokens"],
  description: "rows or tokens to part",
  columns: { row_id: { type: ["utf8"], why: "a row's side hangs on it" } }
}

export const partOutput = (part: string): OutputPort => ({
  kind: "rows",
  description: `the rows for ${part}, with the columns that came in`
})
