import { broadcast, type Dim, product, type Shape } from "./graph/dims.ts"
import type { DType, Tensor } from "./graph/Graph.ts"

/** What a node is told besides its inputs. Which of these an operation reads stands in its row below. */
export interface Params {
  readonly dtype?: DType
  readonly shape?: Shape
  readonly values?: ReadonlyArray<number>
  readonly variable?: string
  readonly axes?: ReadonlyArray<number>
  readonly keepDims?: boolean
  readonly transposeA?: boolean
  readonly transposeB?: boolean
}

/** A TensorFlow attribute, before it is written as protobuf. */
export type Attr =
  | { readonly type: DType }
  | { readonly int: number }
  | { readonly bool: boolean }
  | { readonly string: string }
  | { readonly shape: Shape }
  | { readonly tensor: { readonly dtype: DType; readonly shape: Shape; readonly values: ReadonlyArray<number> } }

type Output = readonly [DType, Shape]
type Inputs = ReadonlyArray<Tensor>

/**
 * How the interpreter runs a node: a kernel of the tfjs backend, with the names of its inputs and its attributes; one of our own
 * kernels on typed arrays; or nothing at all: an alias is its first input, and what only computes shapes is known beforehand.
 */
export type Kernel =
  | {
      readonly by: "tfjs"
      readonly kernel: string
      readonly inputs: ReadonlyArray<string>
      readonly attrs: (inputs: Inputs, params: Params) => object
    }
  | { readonly by: "own" }
  | { readonly by: "alias" }
  | { readonly by: "shape" }

export interface Primitive {
  readonly attrs: (inputs: Inputs, params: Params) => Readonly<Record<string, Attr>>
  readonly outputs: (inputs: Inputs, params: Params) => ReadonlyArray<Output>
  readonly kernel: Kernel
  /** The inputs that hold data; the rest say shapes and axes, which the interpreter knows from `params`. Left out: all of them. */
  readonly data?: ReadonlyArray<number>
  /** Floating-point operations; what is left out does none worth counting. */
  readonly flops?: (inputs: Inputs, outputs: Inputs, params: Params) => Dim
}

const type = (dtype: DType): Attr => ({ type: dtype })
const T = ([x]: Inputs) => ({ T: type(x!.dtype) })
const index32 = type("int32")
const none = () => ({})
const tfjs = (
  kernel: string,
  inputs: ReadonlyArray<string>,
  attrs: (inputs: Inputs, params: Params) => object = none
): Kernel => ({
  by: "tfjs",
  kernel,
  inputs,
  attrs
})
const own: Kernel = { by: "own" }
const alias: Kernel = { by: "alias" }
const shapeArithmetic: Kernel = { by: "shape" }
const perElement =
  (count: number): NonNullable<Primitive["flops"]> =>
  (_, [y]) =>
    product([count, ...y!.shape])
const given = ([x]: Inputs, p: Params): ReadonlyArray<Output> => [[p.dtype ?? x?.dtype ?? "float32", p.shape!]]
const like = ([x]: Inputs): ReadonlyArray<Output> => [[x!.dtype, x!.shape]]
const nothing = (): ReadonlyArray<Output> => []

const unary = (kernel: string): Primitive => ({
  attrs: T,
  outputs: like,
  kernel: tfjs(kernel, ["x"]),
  flops: perElement(1)
})
const binary = (result?: DType): Primitive => ({
  attrs: T,
  outputs: ([a, b]) => [[result ?? a!.dtype, broadcast(a!.shape, b!.shape)]],
  kernel: own,
  flops: perElement(1)
})

const reduction: Primitive = {
  attrs: ([x], p) => ({ T: type(x!.dtype), Tidx: index32, keep_dims: { bool: p.keepDims! } }),
  outputs: ([x], p) => [
    [x!.dtype, x!.shape.flatMap((dim, axis): Array<Dim> => (p.axes!.includes(axis) ? (p.keepDims! ? [1] : []) : [dim]))]
  ],
  kernel: own,
  data: [0],
  flops: ([x]) => product(x!.shape)
}

/** Rows, columns and depth of a (batched) matrix product. */
function matrixProduct([a, b]: Inputs, p: Params): { readonly shape: Shape; readonly depth: Dim } {
  const [m, ka] = p.transposeA! ? [a!.shape.at(-1)!, a!.shape.at(-2)!] : [a!.shape.at(-2)!, a!.shape.at(-1)!]
  const [kb, n] = p.transposeB! ? [b!.shape.at(-1)!, b!.shape.at(-2)!] : [b!.shape.at(-2)!, b!.shape.at(-1)!]
  if (ka !== kb || a!.shape.length !== b!.shape.length) {
    throw new Error(`[${a!.shape.join(", ")}] and [${b!.shape.join(", ")}] cannot be multiplied`)
  }
  return { shape: [...a!.shape.slice(0, -2), m, n], depth: ka }
}

const matmul = (transposeA: string, transposeB: string): Primitive => ({
  attrs: ([a], p) => ({
    T: type(a!.dtype),
    [transposeA]: { bool: p.transposeA! },
    [transposeB]: { bool: p.transposeB! }
  }),
  outputs: (inputs, p) => [[inputs[0]!.dtype, matrixProduct(inputs, p).shape]],
  kernel: own,
  flops: (inputs, [y], p) => product([2, matrixProduct(inputs, p).depth, ...y!.shape])
})

const biasFormat: Attr = { string: "NHWC" }

/** Every TensorFlow operation that a program is lowered to: its attributes, the shapes it yields, and the kernel that is its like. */
const table = {
  // Sources of values
  Const: {
    attrs: (_, p) => ({
      dtype: type(p.dtype!),
      value: { tensor: { dtype: p.dtype!, shape: p.shape!, values: p.values! } }
    }),
    outputs: given,
    kernel: own
  },
  Placeholder: {
    attrs: (_, p) => ({ dtype: type(p.dtype!), shape: { shape: p.shape! } }),
    outputs: given,
    kernel: own
  },
  Fill: {
    attrs: ([, value]) => ({ T: type(value!.dtype), index_type: index32 }),
    outputs: ([, value], p) => [[value!.dtype, p.shape!]],
    kernel: own,
    data: [1]
  },
  /** 0, 1, 2, ... as many as the output's shape says. */
  Range: {
    attrs: () => ({ Tidx: index32 }),
    outputs: (_, p) => [["int32", p.shape!]],
    kernel: own,
    data: []
  },
  StatelessRandomUniform: {
    attrs: () => ({ dtype: type("float32"), T: index32, Tseed: index32 }),
    outputs: (_, p) => [["float32", p.shape!]],
    kernel: own,
    data: [1],
    flops: perElement(10)
  },

  // Variables
  VarHandleOp: {
    attrs: (_, p) => ({
      dtype: type(p.dtype!),
      shape: { shape: p.shape! },
      shared_name: { string: p.variable! },
      container: { string: "" }
    }),
    outputs: () => [["resource", []]],
    kernel: own
  },
  ReadVariableOp: {
    attrs: ([handle]) => ({ dtype: type(handle!.node.params.dtype!) }),
    outputs: ([handle]) => [[handle!.node.params.dtype!, handle!.node.params.shape!]],
    kernel: own
  },
  AssignVariableOp: { attrs: ([, value]) => ({ dtype: type(value!.dtype) }), outputs: nothing, kernel: own },
  AssignAddVariableOp: { attrs: ([, value]) => ({ dtype: type(value!.dtype) }), outputs: nothing, kernel: own },
  ResourceApplyAdam: {
    attrs: (inputs) => ({ T: type(inputs[9]!.dtype), use_locking: { bool: false }, use_nesterov: { bool: false } }),
    outputs: nothing,
    kernel: own,
    flops: (inputs) => product([10, ...inputs[9]!.shape])
  },

  // Elementwise
  Identity: { attrs: T, outputs: like, kernel: alias },
  Erf: unary("Erf"),
  Exp: unary("Exp"),
  Log: unary("Log"),
  Rsqrt: unary("Rsqrt"),
  Sqrt: unary("Sqrt"),
  Square: unary("Square"),
  Sigmoid: unary("Sigmoid"),
  Sin: unary("Sin"),
  Cos: unary("Cos"),
  Tanh: unary("Tanh"),
  AddV2: binary(),
  Sub: binary(),
  Mul: binary(),
  RealDiv: binary(),
  /** Rounded down. */
  FloorDiv: binary(),
  Maximum: binary(),
  Minimum: binary(),
  GreaterEqual: binary("bool"),
  NotEqual: { ...binary("bool"), attrs: ([a]) => ({ T: type(a!.dtype), incompatible_shape_error: { bool: true } }) },
  TanhGrad: { attrs: T, outputs: like, kernel: own, flops: perElement(3) },
  AddN: {
    attrs: (inputs) => ({ ...T(inputs), N: { int: inputs.length } }),
    outputs: like,
    kernel: own,
    flops: perElement(1)
  },
  Cast: {
    attrs: ([x], p) => ({ SrcT: type(x!.dtype), DstT: type(p.dtype!), Truncate: { bool: false } }),
    outputs: ([x], p) => [[p.dtype!, x!.shape]],
    kernel: tfjs("Cast", ["x"], (_, p) => ({ dtype: p.dtype! }))
  },

  // Products
  MatMul: matmul("transpose_a", "transpose_b"),
  BatchMatMulV2: matmul("adj_x", "adj_y"),
  BiasAdd: {
    attrs: ([x]) => ({ T: type(x!.dtype), data_format: biasFormat }),
    outputs: like,
    kernel: own,
    flops: perElement(1)
  },
  BiasAddGrad: {
    attrs: ([x]) => ({ T: type(x!.dtype), data_format: biasFormat }),
    outputs: ([x]) => [[x!.dtype, [x!.shape.at(-1)!]]],
    kernel: own,
    flops: ([x]) => product(x!.shape)
  },

  // Reductions
  Sum: reduction,
  Mean: reduction,
  Max: reduction,
  /** Along the last axis. */
  Cumsum: {
    attrs: ([x]) => ({ T: type(x!.dtype), Tidx: index32, exclusive: { bool: false }, reverse: { bool: false } }),
    outputs: like,
    kernel: own,
    data: [0],
    flops: perElement(1)
  },
  L2Loss: { attrs: T, outputs: ([x]) => [[x!.dtype, []]], kernel: own, flops: ([x]) => product([2, ...x!.shape]) },
  Softmax: {
    attrs: T,
    outputs: like,
    kernel: tfjs("Softmax", ["logits"], ([x]) => ({ dim: x!.shape.length - 1 })),
    flops: perElement(5)
  },
  SparseSoftmaxCrossEntropyWithLogits: {
    attrs: ([logits, labels]) => ({ T: type(logits!.dtype), Tlabels: type(labels!.dtype) }),
    outputs: ([logits]) => [
      [logits!.dtype, [logits!.shape[0]!]],
      [logits!.dtype, logits!.shape]
    ],
    kernel: own,
    flops: ([logits]) => product([8, ...logits!.shape])
  },

  // Shapes and places
  Shape: {
    attrs: ([x]) => ({ T: type(x!.dtype), out_type: index32 }),
    outputs: ([x]) => [["int32", [x!.shape.length]]],
    kernel: shapeArithmetic
  },
  StridedSlice: {
    attrs: ([x]) => ({
      T: type(x!.dtype),
      Index: index32,
      begin_mask: { int: 0 },
      end_mask: { int: 0 },
      ellipsis_mask: { int: 0 },
      new_axis_mask: { int: 0 },
      shrink_axis_mask: { int: 1 }
    }),
    outputs: ([x]) => [[x!.dtype, x!.shape.slice(1)]],
    kernel: shapeArithmetic
  },
  Pack: {
    attrs: (inputs) => ({ ...T(inputs), N: { int: inputs.length }, axis: { int: 0 } }),
    outputs: (inputs) => [[inputs[0]!.dtype, [inputs.length, ...inputs[0]!.shape]]],
    kernel: shapeArithmetic
  },
  Reshape: {
    attrs: ([x]) => ({ T: type(x!.dtype), Tshape: index32 }),
    outputs: given,
    kernel: alias,
    data: [0]
  },
  Transpose: {
    attrs: ([x]) => ({ T: type(x!.dtype), Tperm: index32 }),
    outputs: ([x], p) => [[x!.dtype, p.axes!.map((axis) => x!.shape[axis]!)]],
    kernel: tfjs("Transpose", ["x"], (_, p) => ({ perm: p.axes! })),
    data: [0]
  },
  ConcatV2: {
    attrs: (inputs) => ({ ...T(inputs), N: { int: inputs.length - 1 }, Tidx: index32 }),
    outputs: given,
    kernel: own
  },
  Slice: { attrs: ([x]) => ({ T: type(x!.dtype), Index: index32 }), outputs: given, kernel: own, data: [0] },
  PadV2: { attrs: ([x]) => ({ T: type(x!.dtype), Tpaddings: index32 }), outputs: given, kernel: own, data: [0] },
  GatherV2: {
    attrs: ([table_, indices, axis]) => ({
      Tparams: type(table_!.dtype),
      Tindices: type(indices!.dtype),
      Taxis: type(axis!.dtype),
      batch_dims: { int: 0 }
    }),
    outputs: ([table_, indices]) => [[table_!.dtype, [...indices!.shape, ...table_!.shape.slice(1)]]],
    kernel: tfjs("GatherV2", ["x", "indices"], () => ({ axis: 0, batchDims: 0 })),
    data: [0, 1]
  },
  UnsortedSegmentSum: {
    attrs: ([x, ids, count]) => ({ T: type(x!.dtype), Tindices: type(ids!.dtype), Tnumsegments: type(count!.dtype) }),
    outputs: given,
    kernel: own,
    data: [0, 1],
    flops: ([x]) => product(x!.shape)
  }
} satisfies Record<string, Primitive>

export const primitives: Readonly<Record<keyof typeof table, Primitive>> = table
