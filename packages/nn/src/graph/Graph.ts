import { type Params, primitives } from "../primitives.ts"
import type { Dim, Shape } from "./dims.ts"

export type DType = "float32" | "bfloat16" | "int32" | "bool" | "resource"
export type OpName = keyof typeof primitives

/** One output of a node: a symbol, not a value. */
export interface Tensor {
  readonly node: Node
  readonly index: number
  readonly dtype: DType
  readonly shape: Shape
}

/** One TensorFlow operation. `params` is what its row of the primitives table makes attributes and shapes from. */
export interface Node {
  readonly id: number
  readonly name: string
  readonly op: OpName
  readonly inputs: ReadonlyArray<Tensor>
  /** Nodes that must have run before this one although it reads nothing of theirs. */
  readonly control: ReadonlyArray<Node>
  readonly params: Params
  readonly outputs: ReadonlyArray<Tensor>
}

/** A named, mutable tensor that outlives a run: a weight or a moment of the optimizer. Always float32. */
export interface Variable {
  readonly name: string
  readonly shape: ReadonlyArray<number>
  readonly handle: Tensor
}

export interface NodeOptions {
  readonly name?: string
  readonly control?: ReadonlyArray<Node>
}

/** Nodes in an order in which they can run, and the variables that they share. */
export class Graph {
  readonly nodes: Array<Node> = []
  readonly variables = new Map<string, Variable>()
  readonly #names = new Set<string>()
  readonly #constants = new Map<string, Tensor>()

  /** Adds a node. Shapes and dtypes of its outputs follow from the table. */
  add(op: OpName, inputs: ReadonlyArray<Tensor>, params: Params, name: string, control: ReadonlyArray<Node>): Node {
    if (this.#names.has(name)) throw new Error(`two nodes are named "${name}"`)
    this.#names.add(name)
    const outputs: Array<Tensor> = []
    const node: Node = { id: this.nodes.length, name, op, inputs, control, params, outputs }
    primitives[op]
      .outputs(inputs, params)
      .forEach(([dtype, shape], index) => outputs.push({ node, index, dtype, shape }))
    this.nodes.push(node)
    return node
  }

  /** A constant; equal ones are one node. */
  constant(dtype: "float32" | "int32", shape: ReadonlyArray<number>, values: ReadonlyArray<number>): Tensor {
    const key = `${dtype}[${shape.join(",")}]${values.map((v) => (Object.is(v, -0) ? "-0" : String(v))).join(",")}`
    let tensor = this.#constants.get(key)
    if (tensor === undefined) {
      tensor = this.add("Const", [], { dtype, shape, values }, `constants/${this.#constants.size}`, []).outputs[0]!
      this.#constants.set(key, tensor)
    }
    return tensor
  }

  /** The variable of that name, made at its first mention. */
  variable(name: string, shape: ReadonlyArray<number>): Variable {
    const known = this.variables.get(name)
    if (known !== undefined) {
      if (known.shape.join() !== shape.join())
        throw new Error(`"${name}" is [${known.shape.join()}], not [${shape.join()}]`)
      return known
    }
    const handle = this.add("VarHandleOp", [], { dtype: "float32", shape, variable: name }, `variables/${name}`, [])
      .outputs[0]!
    const variable = { name, shape, handle }
    this.variables.set(name, variable)
    return variable
  }
}

/** The nodes that `roots` need, in an order in which they can run. */
export function reachable(roots: Iterable<Node>): Array<Node> {
  const found = new Set<Node>()
  const stack = [...roots]
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (found.has(node)) continue
    found.add(node)
    for (const input of node.inputs) stack.push(input.node)
    stack.push(...node.control)
  }
  return [...found].sort((a, b) => a.id - b.id)
}

export const isSymbolic = (dim: Dim): dim is string => typeof dim === "string"
