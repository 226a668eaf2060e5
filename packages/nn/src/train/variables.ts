import { Builder } from "../graph/Builder.ts"
import type { Graph, Variable } from "../graph/Graph.ts"
import type { Program, ProgramFunction } from "../graph/Program.ts"

/** Closes a program: every variable of the graph gets a way in and a way out. */
export function finishProgram(graph: Graph, functions: Readonly<Record<string, ProgramFunction>>): Program {
  const g = new Builder(graph, "variables_io")
  const variables = [...graph.variables.values()]
  const writes = new Map(variables.map((variable) => [variable.name, writer(g, variable)] as const))
  const reads = new Map(variables.map((variable) => [variable.name, g.identity(g.read(variable))] as const))
  return { graph, functions, writes, reads }
}

function writer(g: Builder, variable: Variable) {
  const feed = g.feed(`in/${variable.name}`, "float32", variable.shape)
  return { feed, done: g.identity(g.scalar(1), { control: [g.assign(variable, feed)] }) }
}
