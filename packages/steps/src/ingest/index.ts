import { semanticParams } from "@hone/core/Params"
import { makeStaged } from "@hone/core/Step"
import { faultsOf } from "./faults.ts"
import { IngestParams, sourcesOf, type TaskParams } from "./params.ts"
import { rowsOutput, rowsType } from "./ports.ts"

/** The params in the key. Weights stand beside texts of sources, which do not count; a plain text's label is its file's name. */
const keyed = (params: IngestParams) => {
  const sources = sourcesOf(params)
  const weights = sources.flatMap(({ weight }) => weight ?? [])
  return {
    ...semanticParams(IngestParams, params),
    ...(weights.length === 0 ? {} : { weights }),
    ...(params.format === "text"
      ? { files: sources.map(({ spec }) => spec.replace(/#.*$/u, "").split("/").at(-1)!) }
      : {})
  }
}

export const ingest = makeStaged({
  kind: "ingest",
  summary: "Read rows from files of any usual format, map their columns, count what is odd, select, draw a sample.",
  params: IngestParams,
  inputs: {},
  outputs: { rows: rowsOutput },
  main: "rows",
  sources: (params) =>
    Object.fromEntries(
      sourcesOf(params).map(({ name, spec }) => [name, { spec, format: params.format, param: "source" }])
    ),
  peek: () => import("./peek.ts"),
  types: ({ heads, params }) => ({
    outputs: { rows: params.task === undefined ? { kind: "rows" } : rowsType(params as TaskParams) },
    faults: faultsOf(params, heads)
  }),
  stages: [
    {
      name: "ingest",
      identity: "ingest",
      version: 1,
      random: true,
      params: keyed,
      outputs: { rows: rowsOutput },
      module: "steps/ingest/run",
      run: () => import("./run.ts")
    }
  ]
})
