import type { InputPort, OutputPort, PortType } from "@hone/core/Port"

export const rowsInput: InputPort = {
  accepts: ["rows"],
  description: "rows with a text",
  columns: {
    row_id: { type: ["utf8"], why: "tokens are joined to their rows by it" },
    text: { type: ["utf8"], why: "it is what becomes tokens" }
  }
}

export const tokenizerInput: InputPort = {
  accepts: ["tokenizer"],
  description: "tokenizer.json of the model that reads the tokens"
}

export const tokensOutput: OutputPort = { kind: "tokens", description: "the rows, and input_ids, length, truncated" }

/** The columns of the rows, and the three that tokenizing adds. */
export const tokensType = (rows: PortType | undefined): PortType => ({
  kind: "tokens",
  ...(rows?.task === undefined ? {} : { task: rows.task }),
  ...(rows?.columns === undefined
    ? {}
    : {
        columns: {
          ...rows.columns,
          input_ids: { type: "list<int32>", nullable: false },
          length: { type: "int32", nullable: false },
          truncated: { type: "bool", nullable: false }
        }
      })
})
