import { bindShape, type Sizes } from "./dims.ts"
import type { Node, Tensor } from "./Graph.ts"
import { primitives } from "../primitives.ts"

/** A node to run: which inputs are data, what shapes come out, and whose last use this is. */
export interface Planned {
  readonly node: Node
  readonly data: ReadonlyArray<number>
  readonly shapes: ReadonlyArray<ReadonlyArray<number>>
  /** Tensors that nothing after this node reads, its own unread outputs among them. */
  readonly dead: ReadonlyArray<Tensor>
}

const dataInputs = (node: Node): ReadonlyArray<number> => primitives[node.op].data ?? node.inputs.map((_, i) => i)

/** Nodes that produce data for `fetches`, or must run before them; what only computes shapes is left out. */
function needed(fetches: ReadonlyArray<Tensor>): Array<Node> {
  const found = new Set<Node>()
  const stack = fetches.map(({ node }) => node)
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (found.has(node)) continue
    found.add(node)
    for (const i of dataInputs(node)) stack.push(node.inputs[i]!.node)
    stack.push(...node.control)
  }
  return [...found].sort((a, b) => a.id - b.id)
}

/** Orders a function's nodes for given sizes, and says after which node each tensor is dead. */
export function planFunction(fetches: ReadonlyArray<Tensor>, sizes: Sizes): ReadonlyArray<Planned> {
  const nodes = needed(fetches)
  const kept = new Set(fetches)
  const seen = new Set<Tensor>()
  const dead = new Map<Node, Array<Tensor>>()
  for (const node of nodes.toReversed()) {
    const last = [...node.outputs, ...dataInputs(node).map((i) => node.inputs[i]!)].filter(
      (tensor) => !seen.has(tensor) && !kept.has(tensor)
    )
    last.forEach((tensor) => seen.add(tensor))
    dead.set(node, [...new Set(last)])
  }
  return nodes.map((node) => ({
    node,
    data: dataInputs(node),
    shapes: node.outputs.map(({ dtype, shape }) => (dtype === "resource" ? [] : bindShape(shape, sizes))),
    dead: dead.get(node)!
  }))
}
