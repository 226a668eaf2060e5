import { primitives } from "../primitives.ts"
import { bindDim, type Sizes } from "./dims.ts"
import { isSymbolic, type Tensor } from "./Graph.ts"
import { planFunction } from "./plan.ts"
import type { Program } from "./Program.ts"

/** What one call of a function costs, from its nodes alone: nothing is run. */
export interface Costs {
  /** Floating-point operations; a multiplication with addition counts two. */
  readonly flops: number
  /** Those of matrix products, which take nearly all the time. */
  readonly matmulFlops: number
  /** Bytes of the variables that the function reads or writes: weights, and in training their moments. */
  readonly variableBytes: number
  /** Most bytes of values alive at once, when each is freed after its last use; engines that run nodes side by side need more. */
  readonly peakBytes: number
  /** The same of those values alone whose size hangs on a symbol: activations and their gradients, not gradients of parameters. */
  readonly peakActivationBytes: number
}

const bytesPerElement = { float32: 4, bfloat16: 2, int32: 4, bool: 1, resource: 0 } as const

const bytesOf = ({ dtype }: Tensor, shape: ReadonlyArray<number>): number =>
  bytesPerElement[dtype] * shape.reduce((a, b) => a * b, 1)

/** Costs of a function for given sizes of its symbols, `{ batch: 16, length: 64 }`. */
export function costsOf(program: Program, name: string, sizes: Sizes): Costs {
  const fn = program.functions[name]
  if (fn === undefined) throw new Error(`the program has no function "${name}"`)
  let flops = 0
  let matmulFlops = 0
  const all = new Peak()
  const activations = new Peak()
  const variables = new Set<string>()
  const bytes = new Map<Tensor, number>()
  for (const { dead, node, shapes } of planFunction(Object.values(fn.fetches), sizes)) {
    const counted = bindDim(primitives[node.op].flops?.(node.inputs, node.outputs, node.params) ?? 0, sizes)
    flops += counted
    if (node.op === "MatMul" || node.op === "BatchMatMulV2") matmulFlops += counted
    if (node.op === "VarHandleOp") variables.add(node.params.variable!)
    // An alias has no memory of its own, and neither has what a variable holds already.
    const owns = primitives[node.op].kernel.by !== "alias" && node.op !== "ReadVariableOp"
    node.outputs.forEach((tensor, i) => bytes.set(tensor, owns ? bytesOf(tensor, shapes[i]!) : 0))
    for (const tensor of node.outputs) {
      all.add(bytes.get(tensor)!)
      if (tensor.shape.some(isSymbolic)) activations.add(bytes.get(tensor)!)
    }
    for (const tensor of dead) {
      all.add(-(bytes.get(tensor) ?? 0))
      if (tensor.shape.some(isSymbolic)) activations.add(-(bytes.get(tensor) ?? 0))
    }
  }
  const variableBytes = [...variables].reduce((sum, variable) => sum + 4 * elementsOf(program, variable), 0)
  return { flops, matmulFlops, variableBytes, peakBytes: all.most, peakActivationBytes: activations.most }
}

/** A sum that goes up and down, and the most that it was. */
class Peak {
  most = 0
  #now = 0
  add(amount: number): void {
    this.#now += amount
    this.most = Math.max(this.most, this.#now)
  }
}

const elementsOf = ({ graph }: Program, variable: string): number =>
  graph.variables.get(variable)!.shape.reduce((a, b) => a * b, 1)
