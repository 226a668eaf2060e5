import { Builder } from "../graph/Builder.ts"
import type { Graph, Node, Variable } from "../graph/Graph.ts"
import type { Feeds, Program, ProgramFunction } from "../graph/Program.ts"

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

/**
 * Sets variables to zero, once `control` have run. The zero is fed: of what TensorFlow can compute beforehand it makes constants, which
 * it keeps as long as the session lives. For the moments of AdamW that was the size of the model twice over.
 */
export function zeroing(g: Builder, variables: ReadonlyArray<Variable>, control: ReadonlyArray<Node> = []) {
  const zero = g.feed("zero", "float32", [])
  return {
    nodes: variables.map((variable) => g.assign(variable, g.filled(variable.shape, zero), control)),
    prepare: (feeds: Feeds): Feeds => ({ ...feeds, zero: 0 })
  }
}
