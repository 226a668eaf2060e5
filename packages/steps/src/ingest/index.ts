import { make, type StepFault } from "@hone/core/Step"
import { suggest } from "@hone/core/file/Suggest"
import { IngestParams } from "./params.ts"
import { rowsOutput, rowsType } from "./ports.ts"

const columnFaults = (params: IngestParams, known: ReadonlyArray<string> | undefined): ReadonlyArray<StepFault> => {
  if (known === undefined) return []
  return (["text", "label"] as const).flatMap((column) => {
    const name = params.columns[column]
    if (known.includes(name)) return []
    return [
      {
        path: ["with", "columns", column],
        message: `the source has no column "${name}"; it has ${known.join(", ")}`,
        hint: suggest(name, known)
      }
    ]
  })
}

const labelFaults = ({ labels }: IngestParams): ReadonlyArray<StepFault> => {
  const twice = labels?.find((name, at) => labels.indexOf(name) !== at)
  if (twice === undefined) return []
  return [{ path: ["with", "labels"], message: `label "${twice}" is declared twice`, hint: "name each label once" }]
}

export const ingest = make({
  kind: "ingest",
  summary: "Read rows from JSONL, JSON, CSV or TSV, map their columns, count what is odd, draw a sample.",
  params: IngestParams,
  inputs: {},
  outputs: { rows: rowsOutput },
  main: "rows",
  sources: ({ format, source }) => ({ source: { spec: source, format, param: "source" } }),
  peek: () => import("./peek.ts"),
  types: ({ heads, params }) => ({
    outputs: { rows: rowsType(params) },
    faults: [...columnFaults(params, heads["source"]?.columns), ...labelFaults(params)]
  }),
  random: true,
  module: "steps/ingest/run",
  run: () => import("./run.ts")
})
