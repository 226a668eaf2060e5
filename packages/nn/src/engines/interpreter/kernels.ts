import type { Node, OpName } from "../../graph/Graph.ts"
import { Philox } from "../../random/philox.ts"
import type { ArrayType, Device, Info, View } from "./device.ts"
import { elementwise } from "./elementwise.ts"

/** What a kernel works on: its node, the tensors of its data inputs by position, and the shapes of its outputs as numbers. */
export interface Call {
  readonly device: Device
  readonly node: Node
  readonly inputs: ReadonlyArray<Info | undefined>
  readonly shapes: ReadonlyArray<ReadonlyArray<number>>
}

/** Gives one tensor for each output, which are the caller's to free. */
export type OwnKernel = (call: Call) => ReadonlyArray<Info>

const sizeOf = (shape: ReadonlyArray<number>): number => shape.reduce((a, b) => a * b, 1)
const floats = (view: View): Float32Array => view as Float32Array

/** Makes the outputs, then hands out the memory of everything at once: no view may be older than an allocation. */
function compute(
  { device, inputs, node, shapes }: Call,
  body: (outputs: ReadonlyArray<View>, inputs: ReadonlyArray<View>) => void
): ReadonlyArray<Info> {
  const outputs = shapes.map((shape, i) => device.allocate(shape, node.outputs[i]!.dtype as ArrayType))
  const views = inputs.map((info) => (info === undefined ? new Float32Array(0) : device.view(info)))
  body(
    outputs.map((info) => device.view(info)),
    views
  )
  return outputs
}

const binary: OwnKernel = (call) =>
  compute(call, ([out], [a, b]) =>
    elementwise(call.node.op, out!, call.shapes[0]!, a!, call.inputs[0]!.shape, b!, call.inputs[1]!.shape)
  )

const biasAdd: OwnKernel = (call) =>
  compute(call, ([out], [x, bias]) =>
    elementwise("AddV2", out!, call.shapes[0]!, x!, call.inputs[0]!.shape, bias!, call.inputs[1]!.shape)
  )

const addN: OwnKernel = (call) =>
  compute(call, ([out], views) => {
    out!.set(views[0]!)
    for (const view of views.slice(1)) for (let i = 0; i < view.length; i++) out![i]! += view[i]!
  })

/** A matrix product, plain or batched; what is stored transposed is transposed first, since only plain products are fast. */
const matmul: OwnKernel = ({ device, inputs, node: { params }, shapes }) => {
  const [a, b] = inputs as [Info, Info]
  const left = params.transposeA! ? transposed(device, a) : a
  const right = params.transposeB! ? transposed(device, b) : b
  const [m, n] = shapes[0]!.slice(-2) as [number, number]
  const count = sizeOf(shapes[0]!.slice(0, -2))
  const result = device.multiply(left, right, count, m, left.shape.at(-1)!, n)
  if (left !== a) device.free(left)
  if (right !== b) device.free(right)
  return [{ ...result, shape: shapes[0]! }]
}

function transposed(device: Device, x: Info): Info {
  const axes = x.shape.map((_, axis) => axis)
  const perm = [...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!]
  return device.kernel("Transpose", { x }, { perm })
}

/** Sums over neighbouring axes, in double precision: the tensor is seen as [outer, reduced, inner]. */
function reduce(
  out: Float32Array,
  x: Float32Array,
  outer: number,
  reduced: number,
  inner: number,
  scale: number
): void {
  const sums = new Float64Array(inner)
  for (let o = 0; o < outer; o++) {
    sums.fill(0)
    for (let r = 0; r < reduced; r++) {
      const start = (o * reduced + r) * inner
      for (let i = 0; i < inner; i++) sums[i]! += x[start + i]!
    }
    for (let i = 0; i < inner; i++) out[o * inner + i] = sums[i]! * scale
  }
}

/** A tensor seen as [outer, reduced, inner]. */
function sidesOf({ inputs, node }: Call): readonly [outer: number, reduced: number, inner: number] {
  const axes = node.params.axes!
  const shape = inputs[0]!.shape
  const first = Math.min(...axes, shape.length)
  const end = first + axes.length
  if (axes.some((axis) => axis >= end)) throw new Error("only neighbouring axes can be reduced")
  return [sizeOf(shape.slice(0, first)), sizeOf(shape.slice(first, end)), sizeOf(shape.slice(end))]
}

const reduction: OwnKernel = (call) =>
  compute(call, ([out], [x]) => {
    const [outer, reduced, inner] = sidesOf(call)
    reduce(floats(out!), floats(x!), outer, reduced, inner, call.node.op === "Mean" ? 1 / reduced : 1)
  })

const maximum: OwnKernel = (call) =>
  compute(call, ([out], [x]) => {
    const [outer, reduced, inner] = sidesOf(call)
    out!.fill(-Infinity)
    for (let o = 0, from = 0; o < outer; o++)
      for (let r = 0; r < reduced; r++)
        for (let i = 0; i < inner; i++, from++) out![o * inner + i] = Math.max(out![o * inner + i]!, x![from]!)
  })

const cumsum: OwnKernel = (call) =>
  compute(call, ([out], [x]) => {
    const width = call.shapes[0]!.at(-1)!
    let sum = 0
    for (let i = 0; i < x!.length; i++) {
      sum = i % width === 0 ? x![i]! : sum + x![i]!
      out![i] = sum
    }
  })

const biasAddGrad: OwnKernel = (call) =>
  compute(call, ([out], [dy]) => reduce(floats(out!), floats(dy!), 1, dy!.length / out!.length, out!.length, 1))

const l2Loss: OwnKernel = (call) =>
  compute(call, ([out], [x]) => {
    let sum = 0
    for (let i = 0; i < x!.length; i++) sum += x![i]! * x![i]!
    out![0] = sum / 2
  })

const fill: OwnKernel = (call) => compute(call, ([out], [, value]) => void out!.fill(value![0]!))

const range: OwnKernel = (call) =>
  compute(call, ([out]) => {
    for (let i = 0; i < out!.length; i++) out![i] = i
  })

const randomUniform: OwnKernel = (call) =>
  compute(call, ([out], [, seed]) => Philox.fromSeed(seed![0]!, seed![1]!).fillUniform(floats(out!)))

const crossEntropy: OwnKernel = (call) =>
  compute(call, ([losses, residual], [logits, labels]) => {
    const classes = call.inputs[0]!.shape[1]!
    for (let row = 0; row < losses!.length; row++) {
      const start = row * classes
      let max = -Infinity
      for (let c = 0; c < classes; c++) max = Math.max(max, logits![start + c]!)
      let sum = 0
      for (let c = 0; c < classes; c++) sum += Math.exp(logits![start + c]! - max)
      const label = labels![row]!
      losses![row] = Math.log(sum) + max - logits![start + label]!
      for (let c = 0; c < classes; c++)
        residual![start + c] = Math.exp(logits![start + c]! - max) / sum - (c === label ? 1 : 0)
    }
  })

const segmentSum: OwnKernel = (call) =>
  compute(call, ([out], [x, ids]) => {
    const width = sizeOf(call.inputs[0]!.shape.slice(1))
    out!.fill(0)
    for (let row = 0; row < ids!.length; row++) {
      const target = ids![row]! * width
      for (let i = 0; i < width; i++) out![target + i]! += x![row * width + i]!
    }
  })

/** Copies a block between row-major tensors of one rank, axis by axis. */
function copyBlock(
  out: View,
  outShape: ReadonlyArray<number>,
  x: View,
  xShape: ReadonlyArray<number>,
  begin: ReadonlyArray<number>,
  block: ReadonlyArray<number>
) {
  const walk = (axis: number, to: number, from: number): void => {
    const outBelow = sizeOf(outShape.slice(axis + 1))
    const xBelow = sizeOf(xShape.slice(axis + 1))
    if (axis === block.length - 1) out.set(x.subarray(from + begin[axis]!, from + begin[axis]! + block[axis]!), to)
    else for (let i = 0; i < block[axis]!; i++) walk(axis + 1, to + i * outBelow, from + (begin[axis]! + i) * xBelow)
  }
  walk(0, 0, 0)
}

const slice: OwnKernel = (call) =>
  compute(call, ([out], [x]) => {
    const begin = call.node.inputs[1]!.node.params.values!
    copyBlock(out!, call.shapes[0]!, x!, call.inputs[0]!.shape, begin, call.shapes[0]!)
  })

const pad: OwnKernel = (call) =>
  compute(call, ([out], [x]) => {
    const { shape } = call.inputs[0]!
    out!.fill(0)
    copyBlock(
      out!,
      call.shapes[0]!,
      x!,
      shape,
      shape.map(() => 0),
      shape
    )
  })

/** The last input is the axis, which the node knows too. */
const concat: OwnKernel = (call) =>
  compute(call, ([out], views) => {
    const axis = call.node.params.axes![0]!
    const shape = call.shapes[0]!
    const stride = sizeOf(shape.slice(axis))
    let column = 0
    call.inputs.slice(0, -1).forEach((info, i) => {
      const block = sizeOf(info!.shape.slice(axis))
      const source = views[i]!
      for (let from = 0, to = column; from < source.length; from += block, to += stride)
        out!.set(source.subarray(from, from + block), to)
      column += block
    })
  })

/** The kernels on typed arrays, by TensorFlow operation. What changes variables is the session's. */
export const ownKernels: Partial<Record<OpName, OwnKernel>> = {
  AddN: addN,
  AddV2: binary,
  BatchMatMulV2: matmul,
  BiasAdd: biasAdd,
  BiasAddGrad: biasAddGrad,
  ConcatV2: concat,
  Cumsum: cumsum,
  Fill: fill,
  FloorDiv: binary,
  GreaterEqual: binary,
  L2Loss: l2Loss,
  MatMul: matmul,
  Max: maximum,
  Maximum: binary,
  Mean: reduction,
  Minimum: binary,
  Mul: binary,
  NotEqual: binary,
  PadV2: pad,
  Range: range,
  RealDiv: binary,
  Slice: slice,
  SparseSoftmaxCrossEntropyWithLogits: crossEntropy,
  StatelessRandomUniform: randomUniform,
  Sub: binary,
  Sum: reduction,
  TanhGrad: binary,
  UnsortedSegmentSum: segmentSum
}
