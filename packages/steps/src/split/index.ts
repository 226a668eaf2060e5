import type { ValueType } from "@hone/core/expression/Language"
import { make, type StepFault } from "@hone/core/Step"
import type { ColumnType, PortType } from "@hone/core/Port"
import { suggest } from "@hone/core/file/Suggest"
import { onePass } from "../rows/work.ts"
import { rangeOf } from "../where/range.ts"
import { whereFault } from "../where/where.ts"
import { isShare, SplitParams } from "./params.ts"
import { partOutput, splitInput } from "./ports.ts"

const shareFaults = ({ by, fold, folds, test, validation }: SplitParams): ReadonlyArray<StepFault> => {
  if (folds !== undefined || fold !== undefined) return foldFaults(fold, folds, test)
  if (test === 0 && validation === 0 && by === undefined) {
    const hint = "write test: 0.2, say, or leave the step out"
    return [{ path: ["with"], message: "neither validation nor test takes a share: nothing is split", hint }]
  }
  if (typeof test !== "number" || typeof validation !== "number" || test + validation < 1) return []
  const message = `validation ${validation} and test ${test} leave nothing to train on`
  return [{ path: ["with", "test"], message, hint: "let them sum to less than 1" }]
}

const foldFaults = (
  fold: number | undefined,
  folds: number | undefined,
  test: SplitParams["test"]
): ReadonlyArray<StepFault> => {
  if (folds === undefined)
    return [
      {
        path: ["with", "fold"],
        message: "`fold` says which, and `folds` is missing: of how many?",
        hint: "write folds: 5, say"
      }
    ]
  if (fold === undefined) {
    const hint = 'write fold: "${matrix.fold}", and matrix: { fold: [0, 1, 2] } beside with'
    return [{ path: ["with", "folds"], message: "`fold` is missing: which of them is the test part?", hint }]
  }
  if (fold >= folds)
    return [
      {
        path: ["with", "fold"],
        message: `there is no fold ${fold} of ${folds}`,
        hint: `they are counted from 0: 0 to ${folds - 1}`
      }
    ]
  return test === 0
    ? []
    : [
        {
          path: ["with", "test"],
          message: "the fold is the test part, and `test` asks for another",
          hint: "leave test out"
        }
      ]
}

const valueTypes: Readonly<Partial<Record<ColumnType["type"], ValueType>>> = {
  utf8: "text",
  dictionary: "text",
  int32: "number",
  int64: "number",
  float32: "number",
  float64: "number",
  bool: "bool",
  "list<utf8>": "list"
}

const partFaults = (params: SplitParams, rows: PortType | undefined): ReadonlyArray<StepFault> => {
  const known = Object.entries(rows?.columns ?? {}).flatMap(([name, { type }]) =>
    valueTypes[type] === undefined ? [] : [[name, valueTypes[type]] as const]
  )
  return (["validation", "test"] as const).flatMap((part): ReadonlyArray<StepFault> => {
    const named = params[part]
    if (isShare(named)) return []
    if ("rows" in named) {
      if (rangeOf(named.rows) !== undefined) return []
      return [
        {
          path: ["with", part, "rows"],
          message: `\`${named.rows}\` holds no row`,
          hint: "the end is not taken: 0..1 is the first row alone"
        }
      ]
    }
    const fault = whereFault(named.where, rows?.columns === undefined ? undefined : Object.fromEntries(known))
    return fault === undefined ? [] : [{ path: ["with", part, "where"], ...fault }]
  })
}

/** What a column's type means to who writes a pipeline. */
const holds: Readonly<Record<string, string>> = {
  dictionary: "classes",
  utf8: "texts",
  float64: "numbers",
  int32: "numbers",
  "list<utf8>": "several labels a row"
}

const told = (type: ColumnType["type"]): string => holds[type] ?? type

const columnFault = (
  param: "stratify_by" | "group_by" | "by",
  name: string | undefined,
  columns: Readonly<Record<string, ColumnType>>,
  types: ReadonlyArray<ColumnType["type"]>
): ReadonlyArray<StepFault> => {
  if (name === undefined || types.includes(columns[name]?.type as never)) return []
  const fitting = Object.keys(columns).filter((column) => types.includes(columns[column]!.type))
  const message =
    columns[name] === undefined
      ? `no column "${name}"`
      : `${param} takes a column of ${types.map(told).join(" or ")}, and "${name}" holds ${told(columns[name].type)}`
  const hint = fitting.length === 0 ? `these rows have no such column: leave ${param} out` : suggest(name, fitting)
  return [{ path: ["with", param], message, hint }]
}

const columnFaults = (params: SplitParams, rows: PortType | undefined): ReadonlyArray<StepFault> =>
  rows?.columns === undefined
    ? []
    : [
        ...columnFault("stratify_by", params.stratify_by, rows.columns, ["dictionary"]),
        ...columnFault("group_by", params.group_by, rows.columns, ["utf8"]),
        ...columnFault("by", params.by, rows.columns, ["utf8", "dictionary"])
      ]

export const split = make({
  kind: "split",
  summary: "Part rows into train, validation and test by a hash of each row's input.",
  params: SplitParams,
  inputs: { rows: splitInput },
  outputs: {
    train: partOutput("training"),
    validation: partOutput("choosing the best weights"),
    test: { ...partOutput("the report"), heldOut: true }
  },
  types: ({ inputs, params }) => {
    const part = inputs["rows"] ?? { kind: "rows" }
    return {
      outputs: { train: part, validation: part, test: part },
      faults: [...shareFaults(params), ...partFaults(params, inputs["rows"]), ...columnFaults(params, inputs["rows"])]
    }
  },
  random: true,
  // What is stated of the rows goes on with the parts.
  facts: { rows: "all" },
  work: (_, { rows }) => onePass(rows, "rows"),
  module: "steps/split/run",
  run: () => import("./run.ts")
})
