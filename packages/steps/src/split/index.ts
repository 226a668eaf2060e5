import { make, type StepFault } from "@hone/core/Step"
import type { ColumnType, PortType } from "@hone/core/Port"
import { suggest } from "@hone/core/file/Suggest"
import { SplitParams } from "./params.ts"
import { partOutput, splitInput } from "./ports.ts"

const shareFaults = ({ test, validation }: SplitParams): ReadonlyArray<StepFault> => {
  if (test === 0 && validation === 0) {
    const hint = "write test: 0.2, say, or leave the step out"
    return [{ path: ["with"], message: "neither validation nor test takes a share: nothing is split", hint }]
  }
  if (typeof test !== "number" || typeof validation !== "number" || test + validation < 1) return []
  const message = `validation ${validation} and test ${test} leave nothing to train on`
  return [{ path: ["with", "test"], message, hint: "let them sum to less than 1" }]
}

const columnFault = (
  param: "stratify_by" | "group_by",
  name: string | undefined,
  columns: Readonly<Record<string, ColumnType>>,
  types: ReadonlyArray<ColumnType["type"]>
): ReadonlyArray<StepFault> => {
  if (name === undefined || types.includes(columns[name]?.type as never)) return []
  const fitting = Object.keys(columns).filter((column) => types.includes(columns[column]!.type))
  const message =
    columns[name] === undefined
      ? `no column "${name}"`
      : `column "${name}" is ${columns[name].type}, not ${types.join(" or ")}`
  return [{ path: ["with", param], message, hint: suggest(name, fitting) }]
}

const columnFaults = (params: SplitParams, rows: PortType | undefined): ReadonlyArray<StepFault> =>
  rows?.columns === undefined
    ? []
    : [
        ...columnFault("stratify_by", params.stratify_by, rows.columns, ["dictionary"]),
        ...columnFault("group_by", params.group_by, rows.columns, ["utf8"])
      ]

export const split = make({
  kind: "split",
  summary: "Part rows into train, validation and test by a hash of each row's input.",
  params: SplitParams,
  inputs: { rows: splitInput },
  outputs: {
    train: partOutput("training"),
    validation: partOutput("choosing the best weights"),
    test: partOutput("the report")
  },
  types: ({ inputs, params }) => {
    const part = inputs["rows"] ?? { kind: "rows" }
    return {
      outputs: { train: part, validation: part, test: part },
      faults: [...shareFaults(params), ...columnFaults(params, inputs["rows"])]
    }
  },
  random: true,
  module: "steps/split/run",
  run: () => import("./run.ts")
})
