import type { ColumnType, OutputPort, PortType } from "@hone/core/Port"
import type { TaskParams } from "./params.ts"
import { shapes } from "./shapes.ts"

export const rowsOutput: OutputPort = {
  kind: "rows",
  description: "row_id, the mapped columns of the task, and those kept: one row an example"
}

const utf8: ColumnType = { type: "utf8", nullable: false }

/** The columns of the rows of a task. The label names are known before the run only where they are declared. */
export const rowsType = (params: TaskParams): PortType => {
  const { inputs, target } = shapes[params.task]
  return {
    kind: "rows",
    task: params.task,
    columns: {
      row_id: utf8,
      ...Object.fromEntries(inputs.map((role) => [role, utf8])),
      ...(target === undefined ? {} : { [target]: targetType(params) }),
      ...Object.fromEntries(params.keep.map((name) => [name, { type: "utf8", nullable: true } satisfies ColumnType]))
    }
  }
}

const targetType = ({ labels, task }: TaskParams): ColumnType => {
  const names = labels === undefined ? {} : { labels }
  const { kind } = shapes[task]
  if (kind === "number") return { type: "float64", nullable: false }
  if (kind === "names") return { type: "list<utf8>", nullable: false, ...names }
  return kind === "text" ? utf8 : { type: "dictionary", nullable: false, ...names }
}
