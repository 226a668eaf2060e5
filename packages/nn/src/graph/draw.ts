import { primitives } from "../primitives.ts"
import type { Shape } from "./dims.ts"
import { type Node, reachable, type Tensor } from "./Graph.ts"
import type { Program, ProgramFunction } from "./Program.ts"

function functionNodes(program: Program, name: string): ReadonlyArray<Node> {
  const fn: ProgramFunction | undefined = program.functions[name]
  if (fn === undefined) throw new Error(`the program has no function "${name}"`)
  return reachable(Object.values(fn.fetches).map(({ node }) => node))
}

const shapeOf = (shape: Shape): string => `[${shape.join(", ")}]`

/** What only says shapes and axes, and values that are the same in every run: not worth a line in a drawing. */
const isPlumbing = ({ op }: Node): boolean =>
  op === "Const" || op === "VarHandleOp" || op === "Range" || primitives[op].kernel.by === "shape"

/** A function as text: a line for each node, in an order in which they can run. */
export function printFunction(program: Program, name: string): string {
  const line = (node: Node) => {
    const inputs = node.inputs.map((input) =>
      input.index === 0 ? input.node.name : `${input.node.name}:${input.index}`
    )
    const outputs = node.outputs.map(({ dtype, shape }) => `${dtype} ${shapeOf(shape)}`)
    const after = node.control.length === 0 ? "" : ` after ${node.control.map((before) => before.name).join(", ")}`
    return `${node.name} = ${node.op}(${inputs.join(", ")})${after}${outputs.length === 0 ? "" : `: ${outputs.join(", ")}`}`
  }
  return functionNodes(program, name)
    .filter((node) => !isPlumbing(node))
    .map(line)
    .join("\n")
}

/** The part of a scope that a node belongs to: the next word of its name. Undefined outside of the scope. */
function partOf(node: Node, scope: string): string | undefined {
  return node.name.startsWith(`${scope}/`) ? node.name.slice(scope.length + 1).split("/")[0] : undefined
}

/** Parameters that a part reads, without what their names have in common with the scope's. */
function parametersOf(nodes: ReadonlyArray<Node>, block: string): Array<string> {
  const names = nodes.flatMap(({ inputs }) =>
    inputs.flatMap(({ node }) => (node.op === "ReadVariableOp" ? [node.inputs[0]!.node.params.variable!] : []))
  )
  return [...new Set(names)].map((name) => (name.startsWith(`${block}.`) ? name.slice(block.length + 1) : name))
}

/**
 * One scope of a function as a Mermaid flowchart: a box for each operation with the parameters that it reads, an arrow for each
 * tensor that passes, with its shape. Derivatives are left out.
 *
 * @param scope as in nodes' names: "train/encoder.layer.0"
 */
export function drawScope(program: Program, name: string, scope: string): string {
  const nodes = functionNodes(program, name)
  const parts = new Map<string, Array<Node>>()
  for (const node of nodes) {
    const part = partOf(node, scope)
    if (part !== undefined && !part.includes("_gradient") && !isPlumbing(node))
      parts.set(part, [...(parts.get(part) ?? []), node])
  }
  if (parts.size === 0) throw new Error(`${name} has no scope "${scope}"`)
  const block = scope.slice(scope.lastIndexOf("/") + 1)
  const boxes = [...parts].map(([part, inside]) => {
    const label = [part.replace(/_\d+$/, ""), ...parametersOf(inside, block)].join("<br>")
    return `  ${part}["${label}"]`
  })
  return ["flowchart TD", ...boxes, ...arrows(parts, scope)].join("\n")
}

function arrows(parts: ReadonlyMap<string, ReadonlyArray<Node>>, scope: string): Array<string> {
  const lines = new Set<string>()
  for (const [part, inside] of parts) {
    for (const input of inside.flatMap(({ inputs }) => inputs)) {
      const { node } = input
      if (isPlumbing(node) || node.op === "ReadVariableOp") continue
      const from = partOf(node, scope)
      if (from !== part) lines.add(`  ${from ?? outside(input)} -- "${shapeOf(input.shape)}" --> ${part}`)
    }
  }
  return [...lines]
}

/** What comes in, by the scope that it comes from. */
function outside({ node }: Tensor): string {
  const path = node.name.split("/").slice(1)
  const name = path.length > 1 ? path.slice(0, -1).join(".") : path[0]!
  return `${name.replaceAll(/\W/g, "_")}(["${name}"])`
}
