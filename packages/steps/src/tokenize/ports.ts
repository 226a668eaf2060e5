import { describePort } from "@hone/core/Port"
import type { InputPort, OutputPort, PortType } from "@hone/core/Port"
import type { StepFault } from "@hone/core/Step"

export const rowsInput: InputPort = {
  accepts: ["rows"],
  description: "rows with a text, or with a pair of them",
  columns: { row_id: { type: ["utf8"], why: "tokens are joined to their rows by it" } }
}

export const tokenizerInput: InputPort = {
  accepts: ["tokenizer"],
  description: "tokenizer.json of the model that reads the tokens"
}

export const tokensOutput: OutputPort = {
  kind: "tokens",
  description: "the rows, and input_ids, length, truncated; for pairs token_type_ids"
}

/** What is wrong with rows that have no text to make tokens of. */
export const textFaults = (rows: PortType | undefined): ReadonlyArray<StepFault> => {
  const columns = rows?.columns
  if (columns === undefined || columns["text"]?.type === "utf8") return []
  if (columns["text_a"]?.type === "utf8" && columns["text_b"]?.type === "utf8") return []
  const message = `\`tokenize\` reads a column \`text\`, or \`text_a\` and \`text_b\`, and this gives ${describePort(rows!)}`
  return [{ path: ["in", "rows"], message, hint: "connect rows of a text task" }]
}

/** The columns of the rows, and those that tokenizing adds. */
export const tokensType = (rows: PortType | undefined, max_length?: number): PortType => ({
  kind: "tokens",
  ...(max_length === undefined ? {} : { max_length }),
  ...(rows?.task === undefined ? {} : { task: rows.task }),
  ...(rows?.columns === undefined
    ? {}
    : {
        columns: {
          ...rows.columns,
          input_ids: { type: "list<int32>", nullable: false },
          ...(rows.columns["text_b"] === undefined
            ? {}
            : { token_type_ids: { type: "list<int32>", nullable: false } as const }),
          length: { type: "int32", nullable: false },
          truncated: { type: "bool", nullable: false }
        }
      })
})
