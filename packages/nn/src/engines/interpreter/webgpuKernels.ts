import type { OpName } from "../../graph/Graph.ts"
import { Philox } from "../../random/philox.ts"
import type { Device, Info, View } from "./device.ts"
import type { Call, OwnKernel } from "./kernels.ts"

const sizeOf = (shape: ReadonlyArray<number>): number => shape.reduce((a, b) => a * b, 1)

/** Runs kernels one after the other, and frees what lies between them. */
class Steps {
  readonly #device: Device
  readonly #made: Array<Info> = []

  constructor(device: Device) {
    this.#device = device
  }

  run(kernel: string, inputs: Readonly<Record<string, Info>>, attrs: object = {}): Info {
    const made = this.#device.kernel(kernel, inputs, attrs)
    this.#made.push(made)
    return made
  }

  filled(shape: ReadonlyArray<number>, value: number): Info {
    return this.run("Fill", {}, { shape, value, dtype: "float32" })
  }

  binary(kernel: string, a: Info, b: Info): Info {
    return this.run(kernel, { a, b })
  }

  /** The last one is the result; the others are freed. */
  result(info: Info, shape: ReadonlyArray<number> = info.shape): ReadonlyArray<Info> {
    this.#made.filter(({ dataId }) => dataId !== info.dataId).forEach((made) => this.#device.free(made))
    return [{ ...info, shape }]
  }
}

const steps = (body: (s: Steps, inputs: ReadonlyArray<Info>, call: Call) => Info): OwnKernel => {
  return (call) => {
    const s = new Steps(call.device)
    return s.result(body(s, call.inputs as ReadonlyArray<Info>, call), call.shapes[0])
  }
}

const binary = (kernel: string) => steps((s, [a, b]) => s.binary(kernel, a!, b!))

/** @param axesName how tfjs's kernel calls the axes */
const reduction = (kernel: string, axesName: "axis" | "reductionIndices") =>
  steps((s, [x], { node: { params } }) =>
    s.run(kernel, { x: x! }, { [axesName]: params.axes!, keepDims: params.keepDims! })
  )

/** A matrix product, plain or batched. */
const matmul = steps((s, inputs, { node: { params }, shapes }) => {
  const count = sizeOf(shapes[0]!.slice(0, -2))
  const [a, b] = inputs.map((x) => ({ ...x, shape: [count, ...x.shape.slice(-2)] })) as unknown as [Info, Info]
  return s.run("BatchMatMul", { a, b }, { transposeA: params.transposeA!, transposeB: params.transposeB! })
})

const upload = (make: (call: Call) => View): OwnKernel => {
  return (call) => [call.device.upload(make(call), call.shapes[0]!, call.node.outputs[0]!.dtype as "float32" | "int32")]
}

const crossEntropy: OwnKernel = ({ device, inputs, shapes }) => {
  const [logits, labels] = inputs as ReadonlyArray<Info>
  const s = new Steps(device)
  const along = { reductionIndices: [1], keepDims: true }
  const sum = (x: Info) => s.run("Sum", { x }, { axis: [1], keepDims: true })
  const shifted = s.binary("Sub", logits!, s.run("Max", { x: logits! }, along))
  const shares = s.run("Exp", { x: shifted })
  const total = sum(shares)
  const hot = s.run(
    "OneHot",
    { indices: labels! },
    { depth: shapes[1]![1]!, onValue: 1, offValue: 0, dtype: "float32" }
  )
  const losses = s.binary("Sub", s.run("Log", { x: total }), sum(s.binary("Multiply", shifted, hot)))
  const residual = s.binary("Sub", s.binary("RealDiv", shares, total), hot)
  device.retain(losses)
  const [kept] = s.result(residual, shapes[1])
  return [{ ...losses, shape: shapes[0]! }, kept!]
}

/** 2 pi in parts: products of the first two, of 8 and 10 bits, with a number of turns below 16 384 are exact. */
const TURN = [6.28125, 1015 / 2 ** 19, 2 * Math.PI - 6.28125 - 1015 / 2 ** 19] as const
/** Terms of a Taylor series that leaves less than float32's own error at half a turn. */
const TERMS = 10

/**
 * Sine or cosine by whole turns taken off and a Taylor series: of WGSL's own no more than an absolute error of 2^-11 is promised, and
 * that within half a turn alone. Positions of RoPE turn by thousands.
 * @param first 0 for cosine, whose series has x^0/0! - x^2/2! + ..., 1 for sine
 */
const circular = (first: 0 | 1): OwnKernel =>
  steps((s, [x]) => {
    const halves = s.binary("Add", s.binary("Multiply", x!, s.filled([], 1 / (2 * Math.PI))), s.filled([], 0.5))
    const turns = s.run("Floor", { x: halves })
    const rest = TURN.reduce((left, part) => s.binary("Sub", left, s.binary("Multiply", turns, s.filled([], part))), x!)
    const squared = s.run("Square", { x: rest })
    let sum = s.filled([], 1)
    for (let n = TERMS - 1; n > 0; n--) {
      const power = 2 * n + first
      const next = s.binary("Multiply", s.binary("Multiply", squared, s.filled([], -1 / (power * (power - 1)))), sum)
      sum = s.binary("Add", next, s.filled([], 1))
    }
    return first === 1 ? s.binary("Multiply", rest, sum) : sum
  })

/** The kernels on the GPU, by TensorFlow operation: tfjs's, put together where it has no like. Nothing is read back but a seed. */
export const webgpuKernels: Partial<Record<OpName, OwnKernel>> = {
  AddN: (call) => {
    const s = new Steps(call.device)
    const [first, ...rest] = call.inputs as ReadonlyArray<Info>
    return s.result(rest.reduce((sum, x) => s.binary("Add", sum, x), first!))
  },
  AddV2: binary("Add"),
  BatchMatMulV2: matmul,
  BiasAdd: binary("Add"),
  BiasAddGrad: steps((s, [dy], { shapes }) => {
    const width = shapes[0]![0]!
    const rows = { ...dy!, shape: [sizeOf(dy!.shape) / width, width] }
    return s.run("Sum", { x: rows }, { axis: [0], keepDims: false })
  }),
  ConcatV2: (call) => {
    const parts = call.inputs.slice(0, -1) as ReadonlyArray<Info>
    return [
      call.device.kernel("Concat", parts as unknown as Record<string, Info>, { axis: call.node.params.axes![0]! })
    ]
  },
  Cos: circular(0),
  Cumsum: steps((s, [x]) =>
    s.run("Cumsum", { x: x! }, { axis: x!.shape.length - 1, exclusive: false, reverse: false })
  ),
  Fill: steps((s, [, value], { shapes }) => s.binary("Add", s.filled(shapes[0]!, 0), value!)),
  FloorDiv: binary("FloorDiv"),
  GreaterEqual: binary("GreaterEqual"),
  L2Loss: steps((s, [x]) => {
    const flat = { ...x!, shape: [sizeOf(x!.shape)] }
    const total = s.run("Sum", { x: s.run("Square", { x: flat }) }, { axis: [0], keepDims: false })
    return s.binary("Multiply", total, s.filled([], 0.5))
  }),
  MatMul: matmul,
  Max: reduction("Max", "reductionIndices"),
  Maximum: binary("Maximum"),
  Mean: reduction("Mean", "axis"),
  Minimum: binary("Minimum"),
  Mul: binary("Multiply"),
  NotEqual: binary("NotEqual"),
  PadV2: steps((s, [x], { shapes }) => {
    const paddings = x!.shape.map((size, axis) => [0, shapes[0]![axis]! - size])
    return s.run("PadV2", { x: x! }, { paddings, constantValue: 0 })
  }),
  Range: upload(({ shapes }) => Int32Array.from({ length: shapes[0]![0]! }, (_, i) => i)),
  RealDiv: binary("RealDiv"),
  Sin: circular(1),
  Slice: steps((s, [x], { node, shapes }) =>
    s.run("Slice", { x: x! }, { begin: node.inputs[1]!.node.params.values!, size: shapes[0]! })
  ),
  SparseSoftmaxCrossEntropyWithLogits: crossEntropy,
  // Seeds are a few numbers that tfjs keeps beside the GPU.
  StatelessRandomUniform: upload(({ device, inputs, shapes }) => {
    const seed = device.view(inputs[1]!)
    const values = new Float32Array(sizeOf(shapes[0]!))
    Philox.fromSeed(seed[0]!, seed[1]!).fillUniform(values)
    return values
  }),
  Sub: binary("Sub"),
  Sum: reduction("Sum", "axis"),
  TanhGrad: steps((s, [y, dy]) => {
    const slope = s.binary("Sub", s.filled([], 1), s.run("Square", { x: y! }))
    return s.binary("Multiply", dy!, slope)
  }),
  UnsortedSegmentSum: steps((s, [x, ids], { shapes }) =>
    s.run("UnsortedSegmentSum", { x: x!, segmentIds: ids! }, { numSegments: shapes[0]![0]! })
  )
}

/** One step of Adam as `Variables` takes it: the new weight and moments, by kernels. */
export function webgpuAdam(
  device: Device,
  [w, m, v]: ReadonlyArray<Info>,
  inputs: ReadonlyArray<Info>
): ReadonlyArray<Info> {
  const [beta1Power, beta2Power, learningRate, beta1, beta2, epsilon, g] = inputs as ReadonlyArray<Info>
  const s = new Steps(device)
  const one = s.filled([], 1)
  const less = (x: Info) => s.binary("Sub", one, x)
  const toward = (old: Info, fresh: Info, beta: Info) =>
    s.binary("Add", old, s.binary("Multiply", s.binary("Sub", fresh, old), less(beta)))
  const first = toward(m!, g!, beta1!)
  const second = toward(v!, s.run("Square", { x: g! }), beta2!)
  const root = s.run("Sqrt", { x: less(beta2Power!) })
  const rate = s.binary("RealDiv", s.binary("Multiply", learningRate!, root), less(beta1Power!))
  const slope = s.binary("RealDiv", first, s.binary("Add", s.run("Sqrt", { x: second }), epsilon!))
  const weight = s.binary("Sub", w!, s.binary("Multiply", slope, rate))
  device.retain(first)
  device.retain(second)
  s.result(weight)
  return [weight, first, second]
}
