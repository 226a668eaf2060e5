import type { Node, Tensor } from "../../graph/Graph.ts"
import type { Feeds, Program, Values } from "../../graph/Program.ts"
import { primitives } from "../../primitives.ts"
import {
  bindFeeds,
  type Bound,
  type Engine,
  EngineFailure,
  EngineUnavailable,
  functionOf,
  readOf,
  type Session,
  type Traced,
  UnknownName,
  type VariableValues,
  writeOf
} from "../Engine.ts"
import { type ArrayType, type Device, type DeviceName, type Info, openDevice } from "./device.ts"
import { ownKernels } from "./kernels.ts"
import type { TracedNode } from "../trace.ts"
import { type Planned, planFunction } from "../../graph/plan.ts"
import { Variables } from "./variables.ts"
import { webgpuKernels } from "./webgpuKernels.ts"

/** The lowered nodes run one by one on a tfjs backend, each tensor freed after its last use. */
export async function interpreterEngine(name: DeviceName): Promise<Engine> {
  const device = await openDevice(name)
  return {
    name,
    numerics: { class: name, version: device.version, dtype: "float32" },
    open: async (program) => {
      const half = program.graph.nodes.find(({ outputs }) => outputs.some(({ dtype }) => dtype === "bfloat16"))
      if (half !== undefined)
        throw new EngineUnavailable(name, `it has no bfloat16, which ${half.name} asks for`, {
          mend: "train in precision: fp32 on this engine; TensorFlow's have bfloat16"
        })
      return new InterpreterSession(name, device, program)
    }
  }
}

/** What a node took that has just ended. @param start microseconds */
const timed = ({ node: { name, op } }: Planned, start: number): TracedNode => ({
  name,
  op,
  start,
  duration: 1000 * performance.now() - start,
  lane: 0,
  allocated: null,
  inUse: null
})

class InterpreterSession implements Session {
  readonly #name: DeviceName
  readonly #device: Device
  readonly #program: Program
  readonly #variables: Variables
  readonly #constants = new Map<Node, Info>()
  readonly #plans = new Map<string, ReadonlyArray<Planned>>()

  constructor(name: DeviceName, device: Device, program: Program) {
    this.#name = name
    this.#device = device
    this.#program = program
    this.#variables = new Variables(device)
  }

  async write(values: VariableValues): Promise<void> {
    for await (const [name, data] of values) {
      const { shape } = writeOf(this.#program, name, data)
      this.#variables.assign(name, this.#upload(data, shape, "float32"))
    }
  }

  async read(names: Iterable<string>): Promise<Map<string, Float32Array>> {
    const wanted = [...names]
    wanted.forEach((name) => readOf(this.#program, name))
    const values = new Map<string, Float32Array>()
    for (const name of wanted) values.set(name, (await this.#device.read(this.#variables.get(name))) as Float32Array)
    return values
  }

  async run(name: string, feeds: Feeds): Promise<Record<string, Values>> {
    return this.#call(name, feeds)
  }

  async traced(name: string, feeds: Feeds): Promise<Traced> {
    const trace: Array<TracedNode> = []
    const values = await this.#call(name, feeds, trace)
    const first = trace[0]?.start ?? 0
    return { values, trace: trace.map((node) => ({ ...node, start: node.start - first })) }
  }

  async #call(name: string, feeds: Feeds, trace?: Array<TracedNode>): Promise<Record<string, Values>> {
    const fn = functionOf(this.#program, name)
    const { bound, sizes } = bindFeeds(fn, feeds)
    const fetches = Object.entries(fn.fetches)
    const key = JSON.stringify([name, sizes])
    let plan = this.#plans.get(key)
    if (plan === undefined) {
      plan = planFunction(
        fetches.map(([, tensor]) => tensor),
        sizes
      )
      this.#plans.set(key, plan)
    }
    const values = this.#execute(name, plan, bound, trace)
    const results: Record<string, Values> = {}
    for (const [fetch, tensor] of fetches) results[fetch] = (await this.#device.read(values.get(tensor)!)) as Values
    values.forEach((info) => this.#device.free(info))
    return results
  }

  async close(): Promise<void> {
    this.#variables.close()
    this.#constants.forEach((info) => this.#device.free(info))
    this.#constants.clear()
  }

  #upload(data: ArrayLike<number>, shape: ReadonlyArray<number>, dtype: ArrayType): Info {
    return this.#device.upload(data, shape, dtype)
  }

  #execute(
    name: string,
    plan: ReadonlyArray<Planned>,
    bound: ReadonlyArray<Bound>,
    trace?: Array<TracedNode>
  ): Map<Tensor, Info> {
    const values = new Map<Tensor, Info>()
    for (const { data, shape, tensor } of bound)
      values.set(tensor, this.#upload(data, shape, tensor.dtype as ArrayType))
    try {
      for (const planned of plan) {
        const start = trace === undefined ? 0 : 1000 * performance.now()
        const results = this.#runNode(planned, values)
        trace?.push(timed(planned, start))
        planned.node.outputs.forEach((tensor, i) => results[i] !== undefined && values.set(tensor, results[i]))
        for (const tensor of planned.dead) {
          const info = values.get(tensor)
          if (info !== undefined) this.#device.free(info)
          values.delete(tensor)
        }
      }
      return values
    } catch (cause) {
      this.#abandon(values)
      if (cause instanceof UnknownName) throw cause
      throw new EngineFailure(this.#name, name, (cause as Error).message, { cause })
    }
  }

  /** Frees what a run that failed has left. A heap that ran full may refuse even that, and must not hide why. */
  #abandon(values: ReadonlyMap<Tensor, Info>): void {
    try {
      values.forEach((info) => this.#device.free(info))
    } catch {
      // The process is of no more use: see EngineFailure.
    }
  }

  /** Every result is the caller's to free, so what is shared is retained. */
  #runNode({ data, node, shapes }: Planned, values: ReadonlyMap<Tensor, Info>): ReadonlyArray<Info> {
    const inputs: Array<Info | undefined> = node.inputs.map(() => undefined)
    for (const i of data) inputs[i] = values.get(node.inputs[i]!)
    const { kernel } = primitives[node.op]
    if (kernel.by === "alias") return [this.#shared({ ...inputs[0]!, shape: shapes[0]! })]
    const own = (this.#device.mapped ? ownKernels : webgpuKernels)[node.op]
    if (own !== undefined) return own({ device: this.#device, node, inputs, shapes })
    if (kernel.by === "tfjs") {
      const named = Object.fromEntries(kernel.inputs.map((input, i) => [input, inputs[i]!]))
      return [this.#device.kernel(kernel.kernel, named, kernel.attrs(node.inputs, node.params))]
    }
    return this.#stateful(node, inputs, values)
  }

  #shared(info: Info): Info {
    this.#device.retain(info)
    return info
  }

  #stateful(
    node: Node,
    inputs: ReadonlyArray<Info | undefined>,
    values: ReadonlyMap<Tensor, Info>
  ): ReadonlyArray<Info> {
    const variable = node.inputs[0]?.node.params.variable
    switch (node.op) {
      case "Placeholder":
        return [values.get(node.outputs[0]!)!]
      case "Const":
        return [this.#shared(this.#constant(node))]
      case "VarHandleOp":
        return []
      case "ReadVariableOp":
        return [this.#shared(this.#variables.get(variable!))]
      case "AssignVariableOp":
        this.#variables.assign(variable!, this.#shared(inputs[1]!))
        return []
      case "AssignAddVariableOp":
        this.#variables.add(variable!, inputs[1]!)
        return []
      case "ResourceApplyAdam":
        this.#variables.applyAdam(
          node.inputs.slice(0, 3).map((handle) => handle.node.params.variable!),
          inputs.slice(3) as Array<Info>
        )
        return []
      default:
        throw new Error(`the interpreter cannot run ${node.op}`)
    }
  }

  #constant(node: Node): Info {
    let info = this.#constants.get(node)
    if (info === undefined) {
      const { dtype, shape, values } = node.params
      info = this.#upload(values!, shape as ReadonlyArray<number>, dtype as ArrayType)
      this.#constants.set(node, info)
    }
    return info
  }
}
