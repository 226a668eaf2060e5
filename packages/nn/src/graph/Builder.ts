import type { Params } from "../primitives.ts"
import { type Dim, factorsOf, product, type Shape } from "./dims.ts"
import {
  type DType,
  type Graph,
  isSymbolic,
  type Node,
  type NodeOptions,
  type OpName,
  reachable,
  type Tensor,
  type Variable
} from "./Graph.ts"
import type { Bounds, ProgramFunction } from "./Program.ts"

/** A coarse operation as it was applied: what reverse mode walks back over. */
export interface Applied {
  readonly inputs: ReadonlyArray<Tensor>
  readonly outputs: ReadonlyArray<Tensor>
  /** Gradients of the outputs in, of the inputs out; `undefined` where there is none or none is wanted. */
  readonly backward: (gradients: ReadonlyArray<Tensor | undefined>) => ReadonlyArray<Tensor | undefined>
}

export interface FinishOptions {
  readonly after?: ReadonlyArray<Node>
  readonly prepare?: NonNullable<ProgramFunction["prepare"]>
}

/** What matrix products are computed in: under bfloat16 their operands are rounded to it, and their results widened again. */
export type Precision = "float32" | "bfloat16"

/**
 * Builds one function of a program: TensorFlow operations as methods, name scopes, the tape.
 *
 * Functions share a graph's variables and constants and nothing else, so that an engine can prune to one of them.
 */
export class Builder {
  readonly graph: Graph
  readonly name: string
  readonly tape: Array<Applied> = []
  /** Tensors whose gradient is wanted, because something that trains lies before them or is them. */
  readonly trains = new Set<Tensor>()
  readonly #feeds: Record<string, Tensor> = {}
  readonly #bounds: Record<string, Bounds> = {}
  readonly #limits: Record<string, number> = {}
  readonly #multiples: Record<string, number> = {}
  readonly #reads = new Map<string, Tensor>()
  readonly #sizes = new Map<string, Tensor>()
  readonly #vectors = new Map<string, Tensor>()
  readonly #counts = new Map<string, number>()
  #scope: string
  /** What nodes made now wait for, and what waits already; none where nothing has to wait. */
  #late: { readonly first: ReadonlyArray<Node>; readonly nodes: Set<Node> } | undefined

  readonly #precision: Precision
  readonly #rounded = new Map<Tensor, Tensor>()

  constructor(graph: Graph, name: string, precision: Precision = "float32") {
    this.graph = graph
    this.name = name
    this.#precision = precision
    this.#scope = name
  }

  /** Nodes made in `body` are named below `name`. */
  scope<A>(name: string, body: () => A): A {
    return this.at(`${this.#scope}/${name}`, body)
  }

  /** As `scope`, but under a name of its own each time (`linear`, `linear_1`, ...), which `body` is told in full. */
  freshScope<A>(name: string, body: (path: string) => A): A {
    const path = this.#freshName(name)
    return this.at(path, () => body(path))
  }

  /** Nodes made in `body` are named below `path`, wherever the builder is. */
  at<A>(path: string, body: () => A): A {
    const outer = this.#scope
    this.#scope = path
    try {
      return body()
    } finally {
      this.#scope = outer
    }
  }

  /**
   * No node made in `body` runs before `first` have run, whatever it reads. Engines run a node as soon as they can: what a derivative
   * makes of kept values alone would else be computed on the way forward, and held until the way back.
   */
  after<A>(first: ReadonlyArray<Node>, body: () => A): A {
    const outer = this.#late
    this.#late = { first, nodes: new Set(first) }
    try {
      return body()
    } finally {
      this.#late = outer
    }
  }

  node(op: OpName, inputs: ReadonlyArray<Tensor>, params: Params = {}, options: NodeOptions = {}): Node {
    const late = this.#late
    const waits = late === undefined || inputs.some(({ node }) => late.nodes.has(node))
    const control = [...(options.control ?? []), ...(waits ? [] : late.first)]
    const node = this.graph.add(op, inputs, params, options.name ?? this.#freshName(op), control)
    late?.nodes.add(node)
    return node
  }

  #freshName(op: string): string {
    const base = `${this.#scope}/${op}`
    const count = this.#counts.get(base) ?? 0
    this.#counts.set(base, count + 1)
    return count === 0 ? base : `${base}_${count}`
  }

  #one(op: OpName, inputs: ReadonlyArray<Tensor>, params: Params = {}, options: NodeOptions = {}): Tensor {
    return this.node(op, inputs, params, options).outputs[0]!
  }

  // Sources

  /** A value that the caller hands in under `name`. Symbols in its shape take their sizes from it. */
  feed(name: string, dtype: "float32" | "int32", shape: Shape, bounds?: Bounds): Tensor {
    if (bounds !== undefined) this.#bounds[name] = bounds
    const tensor = this.#one("Placeholder", [], { dtype, shape }, { name: `${this.name}/${name}` })
    this.#feeds[name] = tensor
    return tensor
  }

  /** Feeds that make a symbol larger are refused. */
  limit(symbol: string, most: number): void {
    this.#limits[symbol] = most
  }

  /** Feeds in which a symbol is no multiple of this are refused. */
  multiple(symbol: string, of: number): void {
    this.#multiples[symbol] = of
  }

  scalar(value: number): Tensor {
    return this.graph.constant("float32", [], [value])
  }

  int(value: number): Tensor {
    return this.graph.constant("int32", [], [value])
  }

  ints(values: ReadonlyArray<number>): Tensor {
    return this.graph.constant("int32", [values.length], values)
  }

  /** A variable's value at the start of this function; every use shares one read. */
  read(variable: Variable): Tensor {
    let tensor = this.#reads.get(variable.name)
    if (tensor === undefined) {
      tensor = this.#one("ReadVariableOp", [variable.handle], {}, { name: `${this.name}/read/${variable.name}` })
      this.#reads.set(variable.name, tensor)
    }
    return tensor
  }

  /** A variable's value after `control` have run: a read of its own. */
  readAfter(variable: Variable, control: ReadonlyArray<Node>): Tensor {
    return this.#one("ReadVariableOp", [variable.handle], {}, { control })
  }

  /** A dim as an int32 scalar known when the graph runs. */
  size(dim: Dim): Tensor {
    if (!isSymbolic(dim)) return this.int(dim)
    const known = this.#sizes.get(dim)
    if (known !== undefined) return known
    const size = /[*/]/.test(dim) ? this.#sizeOfProduct(dim) : this.#sizeOfSymbol(dim)
    this.#sizes.set(dim, size)
    return size
  }

  #sizeOfProduct(dim: string): Tensor {
    const { divisor, factors } = factorsOf(dim)
    const whole = factors.map((factor) => this.size(factor)).reduce((a, b) => this.mul(a, b))
    return divisor === 1 ? whole : this.#one("FloorDiv", [whole, this.int(divisor)])
  }

  #sizeOfSymbol(symbol: string): Tensor {
    for (const feed of Object.values(this.#feeds)) {
      const axis = feed.shape.indexOf(symbol)
      if (axis < 0) continue
      const shape = this.#one("Shape", [feed])
      return this.#one("StridedSlice", [shape, this.ints([axis]), this.ints([axis + 1]), this.ints([1])])
    }
    throw new Error(`no feed of ${this.name} gives the size of "${symbol}"`)
  }

  /** A shape as an int32 vector: a constant where it can be, else one Pack for each distinct shape. */
  vector(dims: Shape): Tensor {
    if (!dims.some(isSymbolic)) return this.ints(dims as ReadonlyArray<number>)
    const key = dims.join()
    let tensor = this.#vectors.get(key)
    if (tensor === undefined) {
      tensor = this.#one(
        "Pack",
        dims.map((dim) => this.size(dim))
      )
      this.#vectors.set(key, tensor)
    }
    return tensor
  }

  fill(shape: Shape, value: number): Tensor {
    return this.filled(shape, this.scalar(value))
  }

  /** @param value float32 [] */
  filled(shape: Shape, value: Tensor): Tensor {
    return this.#one("Fill", [this.vector(shape), value], { shape })
  }

  /** int32 [size]: 0, 1, 2, ... */
  range(size: Dim): Tensor {
    return this.#one("Range", [this.int(0), this.size(size), this.int(1)], { shape: [size] })
  }

  /** Uniform in [0, 1), a pure function of `seed` int32 [2]. */
  randomUniform(shape: Shape, seed: Tensor): Tensor {
    return this.#one("StatelessRandomUniform", [this.vector(shape), seed], { shape })
  }

  // Elementwise

  identity(x: Tensor, options: NodeOptions = {}): Tensor {
    return this.#one("Identity", [x], {}, options)
  }

  erf = (x: Tensor): Tensor => this.#one("Erf", [x])
  exp = (x: Tensor): Tensor => this.#one("Exp", [x])
  log = (x: Tensor): Tensor => this.#one("Log", [x])
  rsqrt = (x: Tensor): Tensor => this.#one("Rsqrt", [x])
  sqrt = (x: Tensor): Tensor => this.#one("Sqrt", [x])
  square = (x: Tensor): Tensor => this.#one("Square", [x])
  sigmoid = (x: Tensor): Tensor => this.#one("Sigmoid", [x])
  sin = (x: Tensor): Tensor => this.#one("Sin", [x])
  cos = (x: Tensor): Tensor => this.#one("Cos", [x])
  tanh = (x: Tensor): Tensor => this.#one("Tanh", [x])
  add = (a: Tensor, b: Tensor): Tensor => this.#one("AddV2", [a, b])
  sub = (a: Tensor, b: Tensor): Tensor => this.#one("Sub", [a, b])
  mul = (a: Tensor, b: Tensor): Tensor => this.#one("Mul", [a, b])
  div = (a: Tensor, b: Tensor): Tensor => this.#one("RealDiv", [a, b])
  maximum = (a: Tensor, b: Tensor): Tensor => this.#one("Maximum", [a, b])
  minimum = (a: Tensor, b: Tensor): Tensor => this.#one("Minimum", [a, b])
  greaterEqual = (a: Tensor, b: Tensor): Tensor => this.#one("GreaterEqual", [a, b])
  notEqual = (a: Tensor, b: Tensor): Tensor => this.#one("NotEqual", [a, b])
  /** dy * (1 - y * y), for y = tanh(x). */
  tanhGrad = (y: Tensor, dy: Tensor): Tensor => this.#one("TanhGrad", [y, dy])

  cast(x: Tensor, dtype: DType): Tensor {
    return x.dtype === dtype ? x : this.#one("Cast", [x], { dtype })
  }

  addN(xs: ReadonlyArray<Tensor>): Tensor {
    return xs.length === 1 ? xs[0]! : this.#one("AddN", xs)
  }

  // Products and reductions

  /** [M, K] by [K, N], either of them stored transposed. */
  matmul(a: Tensor, b: Tensor, transposeA = false, transposeB = false): Tensor {
    return this.#product("MatMul", a, b, { transposeA, transposeB })
  }

  batchMatmul(a: Tensor, b: Tensor, transposeA = false, transposeB = false): Tensor {
    return this.#product("BatchMatMulV2", a, b, { transposeA, transposeB })
  }

  #product(op: "MatMul" | "BatchMatMulV2", a: Tensor, b: Tensor, params: Params): Tensor {
    if (this.#precision === "float32") return this.#one(op, [a, b], params)
    return this.cast(this.#one(op, [this.#round(a), this.#round(b)], params), "float32")
  }

  /** A weight and a kept value are rounded once a step, and held at half their size. */
  #round(x: Tensor): Tensor {
    const known = this.#rounded.get(x) ?? this.cast(x, "bfloat16")
    this.#rounded.set(x, known)
    return known
  }

  biasAdd = (x: Tensor, bias: Tensor): Tensor => this.#one("BiasAdd", [x, bias])
  /** The sum over all axes but the last. */
  biasAddGrad = (dy: Tensor): Tensor => this.#one("BiasAddGrad", [dy])

  sum(x: Tensor, axes: ReadonlyArray<number>, keepDims = false): Tensor {
    return this.#reduce("Sum", x, axes, keepDims)
  }

  mean(x: Tensor, axes: ReadonlyArray<number>, keepDims = false): Tensor {
    return this.#reduce("Mean", x, axes, keepDims)
  }

  /** The largest value along axes. */
  max(x: Tensor, axes: ReadonlyArray<number>, keepDims = false): Tensor {
    return this.#reduce("Max", x, axes, keepDims)
  }

  /** Sums of all elements up to each, along the last axis. */
  cumsum(x: Tensor): Tensor {
    return this.#one("Cumsum", [x, this.int(x.shape.length - 1)])
  }

  #reduce(op: "Sum" | "Mean" | "Max", x: Tensor, axes: ReadonlyArray<number>, keepDims: boolean): Tensor {
    const positive = axes.map((axis) => (axis < 0 ? axis + x.shape.length : axis))
    return this.#one(op, [x, this.ints(positive)], { axes: positive, keepDims })
  }

  /** Half the sum of squares, as a scalar. */
  l2Loss = (x: Tensor): Tensor => this.#one("L2Loss", [x])
  /** Over the last axis. */
  softmax = (x: Tensor): Tensor => this.#one("Softmax", [x])

  /** Losses [N] in nats, and softmax - onehot [N, V]. Labels must lie in [0, V). */
  sparseSoftmaxCrossEntropyWithLogits(logits: Tensor, labels: Tensor): readonly [losses: Tensor, residual: Tensor] {
    const [losses, residual] = this.node("SparseSoftmaxCrossEntropyWithLogits", [logits, labels]).outputs
    return [losses!, residual!]
  }

  // Shapes and places

  /** The same elements in another shape; one symbolic dim costs nothing, more of them a Pack. */
  reshape(x: Tensor, shape: Shape): Tensor {
    if (product(x.shape) !== product(shape))
      throw new Error(`[${x.shape.join(", ")}] cannot be shaped [${shape.join(", ")}]`)
    if (x.shape.join() === shape.join()) return x
    const symbolic = shape.filter(isSymbolic).length
    const target = symbolic === 1 ? this.ints(shape.map((dim) => (isSymbolic(dim) ? -1 : dim))) : this.vector(shape)
    return this.#one("Reshape", [x, target], { shape })
  }

  transpose(x: Tensor, axes: ReadonlyArray<number>): Tensor {
    return this.#one("Transpose", [x, this.ints(axes)], { axes })
  }

  /** `sizes` elements of each axis from `begin` on. */
  slice(x: Tensor, begin: ReadonlyArray<number>, sizes: Shape): Tensor {
    return this.#one("Slice", [x, this.ints(begin), this.vector(sizes)], { shape: sizes })
  }

  /** Tensors one after the other along `axis`, whose sizes must be numbers there. */
  concat(xs: ReadonlyArray<Tensor>, axis: number): Tensor {
    if (xs.length === 1) return xs[0]!
    const size = xs.reduce((sum, x) => sum + Number(x.shape[axis]!), 0)
    const shape = xs[0]!.shape.map((dim, i) => (i === axis ? size : dim))
    return this.#one("ConcatV2", [...xs, this.int(axis)], { shape, axes: [axis] })
  }

  /** Zeros after the end of `axis`, up to `size` elements. */
  padEnd(x: Tensor, axis: number, size: Dim): Tensor {
    const missing = this.sub(this.size(size), this.size(x.shape[axis]!))
    const amounts = x.shape.flatMap((_, i) => [this.int(0), i === axis ? missing : this.int(0)])
    const paddings = this.#one("Reshape", [this.#one("Pack", amounts), this.ints([x.shape.length, 2])], {
      shape: [x.shape.length, 2]
    })
    const shape = x.shape.map((dim, i) => (i === axis ? size : dim))
    return this.#one("PadV2", [x, paddings, this.scalar(0)], { shape })
  }

  /** Rows of `table` [V, C] by `indices` int32. */
  gather(table: Tensor, indices: Tensor): Tensor {
    return this.#one("GatherV2", [table, indices, this.int(0)])
  }

  /** Rows of `x` [N, C] added up by `ids` int32 [N] into `segments` rows. */
  segmentSum(x: Tensor, ids: Tensor, segments: Dim): Tensor {
    return this.#one("UnsortedSegmentSum", [x, ids, this.size(segments)], { shape: [segments, ...x.shape.slice(1)] })
  }

  // Updates

  assign(variable: Variable, value: Tensor, control: ReadonlyArray<Node> = []): Node {
    return this.node("AssignVariableOp", [variable.handle, value], {}, { control })
  }

  assignAdd(variable: Variable, value: Tensor, control: ReadonlyArray<Node> = []): Node {
    return this.node("AssignAddVariableOp", [variable.handle, value], {}, { control })
  }

  /** Nodes made so far that read `x` directly. */
  readersOf(x: Tensor): Array<Node> {
    return this.graph.nodes.filter((node) => node.id > x.node.id && node.inputs.includes(x))
  }

  /**
   * Closes the function. Its fetches come after the updates in `after`, which nothing reads. Feeds that no fetch needs are idle: no caller
   * has to give them.
   */
  finish(fetches: Readonly<Record<string, Tensor>>, options: FinishOptions = {}): ProgramFunction {
    const control = options.after ?? []
    const named = Object.fromEntries(
      Object.entries(fetches).map(([name, tensor]) => [
        name,
        this.identity(tensor, { name: `${this.name}/out/${name}`, control })
      ])
    )
    const needed = new Set(reachable(Object.values(named).map((tensor) => tensor.node)))
    const entries = Object.entries(this.#feeds)
    const feeds = Object.fromEntries(entries.filter(([, tensor]) => needed.has(tensor.node)))
    const idle = new Set(entries.flatMap(([name, tensor]) => (needed.has(tensor.node) ? [] : [name])))
    return {
      feeds,
      fetches: named,
      idle,
      bounds: this.#bounds,
      limits: this.#limits,
      multiples: this.#multiples,
      ...(options.prepare === undefined ? {} : { prepare: options.prepare })
    }
  }
}
