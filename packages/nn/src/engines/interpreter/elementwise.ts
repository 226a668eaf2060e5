import type { OpName } from "../../graph/Graph.ts"
import type { View } from "./device.ts"

type Loop = (
  out: View,
  a: View,
  b: View,
  from: number,
  count: number,
  a0: number,
  aStep: number,
  b0: number,
  bStep: number
) => void

// One loop for each operation, so that each is compiled for itself.
const loops: Partial<Record<OpName, Loop>> = {
  AddV2: (out, a, b, from, count, a0, aStep, b0, bStep) => {
    for (let i = 0; i < count; i++) out[from + i] = a[a0 + i * aStep]! + b[b0 + i * bStep]!
  },
  Sub: (out, a, b, from, count, a0, aStep, b0, bStep) => {
    for (let i = 0; i < count; i++) out[from + i] = a[a0 + i * aStep]! - b[b0 + i * bStep]!
  },
  Mul: (out, a, b, from, count, a0, aStep, b0, bStep) => {
    for (let i = 0; i < count; i++) out[from + i] = a[a0 + i * aStep]! * b[b0 + i * bStep]!
  },
  RealDiv: (out, a, b, from, count, a0, aStep, b0, bStep) => {
    for (let i = 0; i < count; i++) out[from + i] = a[a0 + i * aStep]! / b[b0 + i * bStep]!
  },
  FloorDiv: (out, a, b, from, count, a0, aStep, b0, bStep) => {
    for (let i = 0; i < count; i++) out[from + i] = Math.floor(a[a0 + i * aStep]! / b[b0 + i * bStep]!)
  },
  Maximum: (out, a, b, from, count, a0, aStep, b0, bStep) => {
    for (let i = 0; i < count; i++) out[from + i] = Math.max(a[a0 + i * aStep]!, b[b0 + i * bStep]!)
  },
  Minimum: (out, a, b, from, count, a0, aStep, b0, bStep) => {
    for (let i = 0; i < count; i++) out[from + i] = Math.min(a[a0 + i * aStep]!, b[b0 + i * bStep]!)
  },
  GreaterEqual: (out, a, b, from, count, a0, aStep, b0, bStep) => {
    for (let i = 0; i < count; i++) out[from + i] = a[a0 + i * aStep]! >= b[b0 + i * bStep]! ? 1 : 0
  },
  NotEqual: (out, a, b, from, count, a0, aStep, b0, bStep) => {
    for (let i = 0; i < count; i++) out[from + i] = a[a0 + i * aStep] === b[b0 + i * bStep] ? 0 : 1
  },
  TanhGrad: (out, y, dy, from, count, a0, aStep, b0, bStep) => {
    for (let i = 0; i < count; i++) out[from + i] = dy[b0 + i * bStep]! * (1 - y[a0 + i * aStep]! ** 2)
  }
}

interface Axis {
  count: number
  readonly aStep: number
  readonly bStep: number
}

/** The axes of a broadcast with the steps of both operands, neighbours that step alike merged into one. */
function axesOf(shape: ReadonlyArray<number>, a: ReadonlyArray<number>, b: ReadonlyArray<number>): Array<Axis> {
  const axes: Array<Axis> = []
  let aSize = 1
  let bSize = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const count = shape[axis]!
    if (count === 1) continue
    const aCount = a[axis - shape.length + a.length] ?? 1
    const bCount = b[axis - shape.length + b.length] ?? 1
    const aStep = aCount === 1 ? 0 : aSize
    const bStep = bCount === 1 ? 0 : bSize
    aSize *= aCount
    bSize *= bCount
    const inner = axes.at(-1)
    const merges = inner !== undefined && aStep === inner.aStep * inner.count && bStep === inner.bStep * inner.count
    if (merges) inner.count *= count
    else axes.push({ count, aStep, bStep })
  }
  return axes.length === 0 ? [{ count: 1, aStep: 0, bStep: 0 }] : axes
}

/** An elementwise operation of two operands that broadcast to `shape`. */
export function elementwise(
  op: OpName,
  out: View,
  shape: ReadonlyArray<number>,
  a: View,
  aShape: ReadonlyArray<number>,
  b: View,
  bShape: ReadonlyArray<number>
): void {
  const loop = loops[op]
  if (loop === undefined) throw new Error(`no elementwise loop for ${op}`)
  const [inner, ...outer] = axesOf(shape, aShape, bShape)
  const { aStep, bStep, count } = inner!
  const walk = (depth: number, from: number, a0: number, b0: number, stride: number): void => {
    if (depth < 0) return loop(out, a, b, from, count, a0, aStep, b0, bStep)
    const axis = outer[depth]!
    const below = stride / axis.count
    for (let i = 0; i < axis.count; i++)
      walk(depth - 1, from + i * below, a0 + i * axis.aStep, b0 + i * axis.bStep, below)
  }
  walk(outer.length - 1, 0, 0, 0, out.length)
}
