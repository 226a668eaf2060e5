import { expect } from "vitest"
import type { Engine } from "../engines/Engine.ts"
import { Builder } from "../graph/Builder.ts"
import { Graph, type Tensor } from "../graph/Graph.ts"
import { Philox } from "../random/philox.ts"
import { evaluateInDouble } from "./reference.ts"
import { finishProgram } from "../train/variables.ts"

/** Whole numbers from 0 to below `below`, from a fixed seed. */
class Dice {
  readonly #philox: Philox
  constructor(seed: number) {
    this.#philox = Philox.fromSeed(2024, seed)
  }
  roll(below: number): number {
    const value = new Float32Array(1)
    this.#philox.fillUniform(value)
    return Math.min(below - 1, Math.floor(value[0]! * below))
  }
  shape(rank: number): Array<number> {
    return Array.from({ length: rank }, () => 1 + this.roll(5))
  }
}

/** Builds functions of random values whose results are fetched under their names. */
class Cases {
  readonly g = new Builder(new Graph(), "f")
  readonly fetches: Record<string, Tensor> = {}
  readonly values = new Map<string, Float32Array>()

  /** Normal numbers; `positive` ones lie above 1/2. */
  random(shape: ReadonlyArray<number>, sign: "any" | "positive" = "any"): Tensor {
    const name = `x${this.values.size}`
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1))
    Philox.fromSeed(7, this.values.size).fillNormal(values, 1)
    this.values.set(name, sign === "any" ? values : values.map((value) => Math.abs(value) + 0.5))
    return this.g.read(this.g.graph.variable(name, shape))
  }

  add(name: string, result: Tensor): void {
    // Fetches are floats: so are the truths of a comparison.
    this.fetches[`${name}_${Object.keys(this.fetches).length}`] =
      result.dtype === "float32" ? result : this.g.cast(result, "float32")
  }
}

/** A shape that broadcasts with `shape`: leading axes left out, some axes of size 1. */
function partner(dice: Dice, shape: ReadonlyArray<number>): Array<number> {
  return shape.slice(dice.roll(shape.length + 1)).map((size) => (dice.roll(3) === 0 ? 1 : size))
}

function broadcasts(c: Cases, dice: Dice): void {
  const { g } = c
  const operations = {
    add: g.add,
    sub: g.sub,
    mul: g.mul,
    maximum: g.maximum,
    minimum: g.minimum,
    greaterEqual: g.greaterEqual,
    notEqual: g.notEqual
  }
  for (const [name, operation] of Object.entries(operations)) {
    for (let rank = 1; rank <= 4; rank++) {
      const shape = dice.shape(rank)
      const [a, b] = [c.random(shape), c.random(partner(dice, shape))]
      c.add(name, operation(a, b))
      c.add(name, operation(b, a))
    }
  }
  const shape = dice.shape(3)
  c.add("div", g.div(c.random(shape), c.random(partner(dice, shape), "positive")))
}

function elementwise(c: Cases, dice: Dice): void {
  const { g } = c
  const any = { erf: g.erf, exp: g.exp, square: g.square, sigmoid: g.sigmoid, sin: g.sin, cos: g.cos, tanh: g.tanh }
  for (const [name, operation] of Object.entries(any)) c.add(name, operation(c.random(dice.shape(2))))
  const positive = { log: g.log, rsqrt: g.rsqrt, sqrt: g.sqrt }
  for (const [name, operation] of Object.entries(positive)) c.add(name, operation(c.random(dice.shape(2), "positive")))
  // Angles of RoPE: whole radians, up to the length of a row.
  for (const [name, operation] of Object.entries({ sin: g.sin, cos: g.cos }))
    c.add(name, operation(g.graph.constant("float32", [6], [-3, 3, 22, 355, 2047, 8191])))
  const same = dice.shape(3)
  c.add("tanhGrad", g.tanhGrad(c.random(same), c.random(same)))
  c.add("addN", g.addN([c.random(same), c.random(same), c.random(same)]))
  c.add("cast", g.cast(g.cast(c.random(same), "int32"), "float32"))
}

function products(c: Cases, dice: Dice): void {
  const { g } = c
  for (const [transposeA, transposeB] of [
    [false, false],
    [true, false],
    [false, true],
    [true, true]
  ] as const) {
    const [m, k, n] = dice.shape(3).map((size) => 2 * size - 1) as [number, number, number]
    const a = transposeA ? [k, m] : [m, k]
    const b = transposeB ? [n, k] : [k, n]
    c.add("matmul", g.matmul(c.random(a), c.random(b), transposeA, transposeB))
    const outer = dice.shape(2)
    c.add("batchMatmul", g.batchMatmul(c.random([...outer, ...a]), c.random([...outer, ...b]), transposeA, transposeB))
  }
  c.add("biasAdd", g.biasAdd(c.random([3, 5]), c.random([5])))
  c.add("biasAddGrad", g.biasAddGrad(c.random([7, 3])))
}

function reductions(c: Cases, dice: Dice): void {
  const { g } = c
  for (const axes of [[0], [1], [2], [-1], [0, 1], [1, 2], [0, 1, 2]]) {
    c.add("sum", g.sum(c.random(dice.shape(3)), axes))
    c.add("mean", g.mean(c.random(dice.shape(3)), axes, true))
    c.add("max", g.max(c.random(dice.shape(3)), axes, true))
  }
  for (let rank = 1; rank <= 3; rank++) c.add("cumsum", g.cumsum(c.random(dice.shape(rank))))
  c.add("l2Loss", g.l2Loss(c.random([4, 3])))
  for (let rank = 1; rank <= 4; rank++)
    c.add("softmax", g.softmax(c.random([...dice.shape(rank - 1), 1 + dice.roll(9)])))
  const [losses, residual] = g.sparseSoftmaxCrossEntropyWithLogits(c.random([3, 5]), g.ints([4, 0, 2]))
  c.add("losses", losses)
  c.add("residual", residual)
}

function places(c: Cases, dice: Dice): void {
  const { g } = c
  for (const axes of [
    [1, 0],
    [0, 2, 1],
    [2, 0, 1],
    [0, 2, 1, 3],
    [0, 2, 3, 1, 4],
    [0, 2, 4, 1, 3, 5]
  ])
    c.add("transpose", g.transpose(c.random(dice.shape(axes.length)), axes))
  for (let axis = 0; axis < 3; axis++) {
    const shape = dice.shape(3)
    const parts = [1, 2, 4].map((size) => c.random(shape.map((dim, i) => (i === axis ? size : dim))))
    c.add("concat", g.concat(parts, axis))
    c.add("padEnd", g.padEnd(c.random(shape), axis, shape[axis]! + dice.roll(3)))
    const begin = shape.map((size) => dice.roll(size))
    c.add(
      "slice",
      g.slice(
        c.random(shape),
        begin,
        shape.map((size, i) => 1 + dice.roll(size - begin[i]!))
      )
    )
  }
  c.add("reshape", g.reshape(c.random([2, 6]), [3, 1, 4]))
  c.add("gather", g.gather(c.random([5, 3]), g.graph.constant("int32", [2, 2], [4, 0, 4, 1])))
  c.add("gather_int32", g.gather(g.ints([7, -2, 5]), g.ints([2, 2, 0, 1])))
  c.add("segmentSum", g.segmentSum(c.random([4, 3]), g.ints([2, 0, 2, 5]), 6))
  c.add("range", g.range(7))
  c.add("fill", g.fill(dice.shape(2), 0.25))
  c.add("randomUniform", g.randomUniform([3, 7], g.ints([5, 9])))
}

/** Every primitive at shapes that hang on a seed, with what the reference evaluator gives in double precision. */
export function primitivesAt(seed: number) {
  const c = new Cases()
  const dice = new Dice(seed)
  for (const make of [broadcasts, elementwise, products, reductions, places]) make(c, dice)
  const program = finishProgram(c.g.graph, { f: c.g.finish(c.fetches) })
  const doubles = new Map([...c.values].map(([name, values]) => [name, Float64Array.from(values)] as const))
  return { program, values: c.values, expected: evaluateInDouble(program, "f", doubles, {}) }
}

/** Compares an engine's values with the reference's, each relative to the largest of its tensor. */
export async function checkPrimitives(
  engine: Engine,
  { expected, program, values }: ReturnType<typeof primitivesAt>
): Promise<void> {
  const session = await engine.open(program)
  await session.write(values)
  const actual = await session.run("f", {})
  for (const [fetch, numbers] of expected) {
    expect(actual[fetch]!.length, fetch).toBe(numbers.length)
    const scale = Math.max(...numbers.map(Math.abs), 1)
    numbers.forEach((number, i) => {
      expect(Math.abs(actual[fetch]![i]! - number) / scale, `${fetch}[${i}]`).toBeLessThan(2e-6)
    })
  }
  await session.close()
}
