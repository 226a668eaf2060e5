import { bindFeeds } from "../engines/Engine.ts"
import type { Node, OpName, Tensor } from "../graph/Graph.ts"
import { planFunction } from "../graph/plan.ts"
import type { Feeds, Program } from "../graph/Program.ts"
import { Philox } from "../random/philox.ts"

/** A value in double precision, row-major. */
export interface Value {
  readonly shape: ReadonlyArray<number>
  readonly data: Float64Array
}

const sizeOf = (shape: ReadonlyArray<number>): number => shape.reduce((a, b) => a * b, 1)

function strides(shape: ReadonlyArray<number>): Array<number> {
  return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)))
}

/** Builds a value by asking for each element by its place. */
function build(shape: ReadonlyArray<number>, at: (place: ReadonlyArray<number>, index: number) => number): Value {
  const steps = strides(shape)
  const data = Float64Array.from({ length: sizeOf(shape) }, (_, index) =>
    at(
      shape.map((size, axis) => Math.floor(index / steps[axis]!) % size),
      index
    )
  )
  return { shape, data }
}

/** The element at a place; axes of size 1 and missing leading axes repeat. */
function element({ data, shape }: Value, place: ReadonlyArray<number>): number {
  const steps = strides(shape)
  const skipped = place.length - shape.length
  return data[shape.reduce((sum, size, axis) => sum + (size === 1 ? 0 : place[axis + skipped]! * steps[axis]!), 0)]!
}

/** By a series of positive terms, so that nothing cancels. */
function erf(x: number): number {
  let term = x
  let sum = x
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}

const unary: Partial<Record<OpName, (x: number) => number>> = {
  Identity: (x) => x,
  Erf: erf,
  Exp: Math.exp,
  Log: Math.log,
  Rsqrt: (x) => 1 / Math.sqrt(x),
  Sqrt: Math.sqrt,
  Square: (x) => x * x,
  Sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  Sin: Math.sin,
  Cos: Math.cos,
  Tanh: Math.tanh
}

const binary: Partial<Record<OpName, (a: number, b: number) => number>> = {
  AddV2: (a, b) => a + b,
  BiasAdd: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  RealDiv: (a, b) => a / b,
  FloorDiv: (a, b) => Math.floor(a / b),
  Maximum: Math.max,
  Minimum: Math.min,
  GreaterEqual: (a, b) => Number(a >= b),
  NotEqual: (a, b) => Number(a !== b),
  TanhGrad: (y, dy) => dy * (1 - y * y)
}

type Evaluate = (node: Node, inputs: ReadonlyArray<Value>, shapes: ReadonlyArray<ReadonlyArray<number>>) => Array<Value>

function product(
  { params }: Node,
  [a, b]: ReadonlyArray<Value>,
  [shape]: ReadonlyArray<ReadonlyArray<number>>
): Array<Value> {
  const depth = a!.shape.at(params.transposeA! ? -2 : -1)!
  return [
    build(shape!, (place) => {
      const outer = place.slice(0, -2)
      const [m, n] = place.slice(-2) as [number, number]
      let sum = 0
      for (let k = 0; k < depth; k++) {
        const left = element(a!, [...outer, ...(params.transposeA! ? [k, m] : [m, k])])
        sum += left * element(b!, [...outer, ...(params.transposeB! ? [n, k] : [k, n])])
      }
      return sum
    })
  ]
}

function reduction(
  { op, params }: Node,
  [x]: ReadonlyArray<Value>,
  [shape]: ReadonlyArray<ReadonlyArray<number>>
): Array<Value> {
  const axes = params.axes!
  const kept = x!.shape.flatMap((size, axis) => (axes.includes(axis) ? [] : [size]))
  const data = new Float64Array(sizeOf(kept)).fill(op === "Max" ? -Infinity : 0)
  const steps = strides(kept)
  build(x!.shape, (place, index) => {
    const at = place.filter((_, axis) => !axes.includes(axis)).reduce((sum, p, axis) => sum + p * steps[axis]!, 0)
    data[at] = op === "Max" ? Math.max(data[at]!, x!.data[index]!) : data[at]! + x!.data[index]!
    return 0
  })
  const count = op === "Mean" ? x!.data.length / data.length : 1
  return [{ shape: shape!, data: data.map((sum) => sum / count) }]
}

/** Each row of the last axis as its exponentials' shares. */
function softmax(x: Value): Value {
  const width = x.shape.at(-1)!
  const data = new Float64Array(x.data.length)
  for (let from = 0; from < data.length; from += width) {
    const row = x.data.subarray(from, from + width)
    const largest = Math.max(...row)
    const total = row.reduce((sum, value) => sum + Math.exp(value - largest), 0)
    for (let i = 0; i < width; i++) data[from + i] = Math.exp(row[i]! - largest) / total
  }
  return { shape: x.shape, data }
}

const rest: Partial<Record<OpName, Evaluate>> = {
  Cast: ({ params }, [x]) => [params.dtype === "int32" ? { ...x!, data: x!.data.map(Math.trunc) } : x!],
  AddN: (_, inputs) => [
    { shape: inputs[0]!.shape, data: inputs[0]!.data.map((__, i) => inputs.reduce((sum, x) => sum + x.data[i]!, 0)) }
  ],
  MatMul: product,
  BatchMatMulV2: product,
  Sum: reduction,
  Mean: reduction,
  Max: reduction,
  Cumsum: (_, [x]) => {
    const width = x!.shape.at(-1)!
    const data = x!.data.slice()
    for (let i = 0; i < data.length; i++) if (i % width > 0) data[i]! += data[i - 1]!
    return [{ shape: x!.shape, data }]
  },
  BiasAddGrad: (node, inputs, shapes) => {
    const axes = inputs[0]!.shape.slice(1).map((_, axis) => axis)
    return reduction({ ...node, params: { axes } }, inputs, shapes)
  },
  L2Loss: (_, [x]) => [
    { shape: [], data: Float64Array.of(x!.data.reduce((sum, value) => sum + value * value, 0) / 2) }
  ],
  Softmax: (_, [x]) => [softmax(x!)],
  SparseSoftmaxCrossEntropyWithLogits: (_, [logits, labels]) => {
    const shares = softmax(logits!)
    const classes = logits!.shape[1]!
    const residual = build(shares.shape, ([row, c], i) => shares.data[i]! - Number(labels!.data[row!] === c))
    const losses = build([logits!.shape[0]!], ([row]) => -Math.log(shares.data[row! * classes + labels!.data[row!]!]!))
    return [losses, residual]
  },
  Reshape: (_, [x], [shape]) => [{ shape: shape!, data: x!.data }],
  Transpose: ({ params }, [x], [shape]) => {
    const axes = params.axes!
    return [
      build(shape!, (place) =>
        element(
          x!,
          axes.map((_, axis) => place[axes.indexOf(axis)]!)
        )
      )
    ]
  },
  Slice: ({ inputs }, [x], [shape]) => {
    const begin = inputs[1]!.node.params.values!
    // A sliced axis may be of size 1 in a larger tensor, but never the other way round: no broadcast happens here.
    return [
      build(shape!, (place) =>
        element(
          x!,
          place.map((p, axis) => p + begin[axis]!)
        )
      )
    ]
  },
  PadV2: (_, [x], [shape]) => [
    build(shape!, (place) => (place.every((p, axis) => p < x!.shape[axis]!) ? element(x!, place) : 0))
  ],
  ConcatV2: ({ params }, inputs, [shape]) => [
    build(shape!, (place) => {
      const axis = params.axes![0]!
      let from = 0
      for (const x of inputs.slice(0, -1)) {
        if (place[axis]! < from + x.shape[axis]!)
          return element(
            x,
            place.map((p, i) => (i === axis ? p - from : p))
          )
        from += x.shape[axis]!
      }
      throw new Error("behind the last part")
    })
  ],
  GatherV2: (_, [table, indices], [shape]) => {
    const width = sizeOf(table!.shape.slice(1))
    return [build(shape!, (__, i) => table!.data[indices!.data[Math.floor(i / width)]! * width + (i % width)]!)]
  },
  UnsortedSegmentSum: (_, [x, ids], [shape]) => {
    const data = new Float64Array(sizeOf(shape!))
    const width = x!.data.length / ids!.data.length
    x!.data.forEach((value, i) => (data[ids!.data[Math.floor(i / width)]! * width + (i % width)]! += value))
    return [{ shape: shape!, data }]
  },
  Fill: (_, inputs, [shape]) => [build(shape!, () => inputs[0]!.data[0]!)],
  Range: (_, __, [shape]) => [build(shape!, (___, i) => i)],
  StatelessRandomUniform: (_, [seed], [shape]) => {
    const values = new Float32Array(sizeOf(shape!))
    Philox.fromSeed(seed!.data[0]!, seed!.data[1]!).fillUniform(values)
    return [{ shape: shape!, data: Float64Array.from(values) }]
  }
}

function evaluate(
  node: Node,
  inputs: ReadonlyArray<Value>,
  shapes: ReadonlyArray<ReadonlyArray<number>>
): Array<Value> {
  const one = unary[node.op]
  if (one !== undefined) return [{ shape: shapes[0]!, data: inputs[0]!.data.map((x) => one(x)) }]
  const two = binary[node.op]
  if (two !== undefined)
    return [build(shapes[0]!, (place) => two(element(inputs[0]!, place), element(inputs[1]!, place)))]
  const other = rest[node.op]
  if (other === undefined) throw new Error(`the reference has no ${node.op}`)
  return other(node, inputs, shapes)
}

/**
 * Runs a function in double precision, slowly and plainly, by its own reading of each primitive: what engines are held against.
 *
 * @param variables values by name; nothing may change them
 */
export function evaluateInDouble(
  program: Program,
  name: string,
  variables: ReadonlyMap<string, Float64Array>,
  feeds: Feeds
): Map<string, Float64Array> {
  const fn = program.functions[name]!
  const { bound, sizes } = bindFeeds(fn, feeds)
  const values = new Map<Tensor, Value>()
  for (const { data, shape, tensor } of bound) values.set(tensor, { shape, data: Float64Array.from(data) })
  for (const { data, node, shapes } of planFunction(Object.values(fn.fetches), sizes)) {
    if (node.op === "Placeholder" || node.op === "VarHandleOp") continue
    const constant = node.op === "Const" ? Float64Array.from(node.params.values!) : undefined
    const read = node.op === "ReadVariableOp" ? variables.get(node.inputs[0]!.node.params.variable!) : undefined
    const known = constant ?? read
    const inputs = data.map((i) => values.get(node.inputs[i]!)!)
    const results = known === undefined ? evaluate(node, inputs, shapes) : [{ shape: shapes[0]!, data: known }]
    node.outputs.forEach((tensor, i) => values.set(tensor, results[i]!))
  }
  return new Map(Object.entries(fn.fetches).map(([fetch, tensor]) => [fetch, values.get(tensor)!.data]))
}
