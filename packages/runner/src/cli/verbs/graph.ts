import type { Pipeline } from "@hone/core/Pipeline"
import type { Plan } from "@hone/core/plan/Plan"
import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import * as Flags from "../Flags.ts"
import { loadPlan } from "../Load.ts"
import { paint, print, printJson, table } from "../Output.ts"

const edges = (pipeline: Pipeline) =>
  pipeline.steps.flatMap((step) =>
    Object.entries(step.inputs).map(([port, ref]) => ({ from: ref.step, output: ref.output, to: step.name, port }))
  )

/** Mermaid's flowchart: what GitHub draws in Markdown. */
export const mermaid = (pipeline: Pipeline): string => {
  const id = (name: string) => name.replace(/-/gu, "_")
  const nodes = pipeline.steps.map((step) => `  ${id(step.name)}["${step.name}<br/><i>${step.definition.kind}</i>"]`)
  const arrows = edges(pipeline).map(({ from, output, to }) => `  ${id(from)} -->|${output}| ${id(to)}`)
  return ["flowchart TD", ...nodes, ...arrows].join("\n")
}

const text = (pipeline: Pipeline, plan: Plan): string =>
  table(
    pipeline.steps.map((step) => [
      step.name,
      paint("dim", step.definition.kind),
      plan.steps.find(({ name }) => name === step.name)?.verdict ?? "",
      Object.entries(step.inputs)
        .map(([port, ref]) => `${port} <- ${ref.step}.${ref.output}`)
        .join(", ")
    ])
  )

export const graphVerb = Command.make(
  "graph",
  {
    file: Flags.file,
    set: Flags.set,
    json: Flags.json,
    format: Flag.Literals("format", ["text", "mermaid"]).pipe(
      Flag.withDescription("text, or mermaid for Markdown"),
      Flag.withDefault("text")
    )
  },
  Effect.fn("hone graph")(function* ({ file, format, json, set }) {
    const { pipeline, planned } = yield* loadPlan({ file, sets: set, json })
    if (json)
      printJson({
        steps: pipeline.steps.map(({ definition, name }) => ({ name, kind: definition.kind })),
        edges: edges(pipeline)
      })
    else print(format === "mermaid" ? mermaid(pipeline) : text(pipeline, planned))
  })
).pipe(Command.withDescription("Draw the steps and what flows between them"))
