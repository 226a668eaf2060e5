import { expect } from "vitest"
import { gradientsOf, operation } from "../autodiff.ts"
import type { Engine } from "../engines/Engine.ts"
import { Builder } from "../graph/Builder.ts"
import { Graph, type Tensor } from "../graph/Graph.ts"
import type { Feeds } from "../graph/Program.ts"
import { Philox } from "../random/philox.ts"
import { finishProgram } from "../train/variables.ts"
import { evaluateInDouble } from "./reference.ts"

/** The sum of x times fixed weights: makes a scalar of any output, with a gradient that differs from element to element. */
const weightedSum = operation("weightedSum", {
  forward: (g, { x }: Readonly<Record<"x", Tensor>>, { weights }: { readonly weights: Tensor }) => ({
    outputs: {
      y: g.sum(
        g.mul(x, weights),
        x.shape.map((_, axis) => axis)
      )
    },
    keep: undefined
  }),
  backward: (g, { y: dy }, _, { weights }) => ({ x: g.mul(weights, dy) })
})

export interface GradientCase {
  /** Inputs that are differentiated, by name. */
  readonly inputs: Readonly<Record<string, ReadonlyArray<number>>>
  /** The operation on them; it may take feeds of its own. */
  readonly apply: (g: Builder, inputs: Readonly<Record<string, Tensor>>) => Tensor
  readonly outputShape: ReadonlyArray<number>
  readonly feeds?: Feeds
  /** Largest difference that is accepted, relative to the largest gradient. */
  readonly tolerance?: number
}

const sizeOf = (shape: ReadonlyArray<number>): number => shape.reduce((a, b) => a * b, 1)

function normal(shape: ReadonlyArray<number>, stream: number): Float32Array {
  const values = new Float32Array(sizeOf(shape))
  Philox.fromSeed(99, stream).fillNormal(values, 1)
  return values
}

/** A case's operation with a scalar of its output, the scalar's gradients, and values to start from. */
function programOf({ apply, inputs, outputShape }: GradientCase) {
  const graph = new Graph()
  const g = new Builder(graph, "f")
  const reads = Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => [name, g.read(graph.variable(name, shape))])
  )
  Object.values(reads).forEach((tensor) => g.trains.add(tensor))
  const weights = normal(outputShape, 1000)
  const output = apply(g, reads)
  expect(output.shape.length).toBe(outputShape.length)
  const value = weightedSum(g, { x: output }, { weights: graph.constant("float32", outputShape, [...weights]) }).y
  const gradients = gradientsOf(g, value, Object.values(reads))
  const fetches = Object.fromEntries(Object.entries(reads).map(([name, tensor]) => [name, gradients.get(tensor)!]))
  const program = finishProgram(graph, { f: g.finish({ value, ...fetches }) })
  const start = new Map(Object.entries(inputs).map(([name, shape], i) => [name, normal(shape, i)] as const))
  return { program, start }
}

/** How far from the point each side of a central difference lies: its error is then some 1e-10 of the third derivative. */
const STEP = 1e-5

/**
 * Compares each element of each gradient with a central difference, both in double precision by the reference evaluator. No engine
 * is needed.
 */
export function checkInDouble(check: GradientCase): void {
  const { program, start } = programOf(check)
  const { feeds = {} } = check
  const values = new Map([...start].map(([name, floats]) => [name, Float64Array.from(floats)] as const))
  const exact = evaluateInDouble(program, "f", values, feeds)
  const at = (name: string, index: number, shift: number): number => {
    const moved = values.get(name)!.slice()
    moved[index]! += shift
    return evaluateInDouble(program, "f", new Map([...values, [name, moved]]), feeds).get("value")![0]!
  }
  for (const [name, floats] of start) {
    const scale = Math.max(...exact.get(name)!.map(Math.abs), 1e-3)
    floats.forEach((_, i) => {
      const expected = (at(name, i, STEP) - at(name, i, -STEP)) / (2 * STEP)
      expect(Math.abs(exact.get(name)![i]! - expected) / scale, `${name}[${i}]`).toBeLessThan(1e-7)
    })
  }
}

/** Compares an engine's value and gradients with those of the reference evaluator in double precision. */
export async function checkAgainstReference(engine: Engine, check: GradientCase): Promise<void> {
  const { program, start } = programOf(check)
  const { feeds = {} } = check
  const values = new Map([...start].map(([name, floats]) => [name, Float64Array.from(floats)] as const))
  const expected = evaluateInDouble(program, "f", values, feeds)
  const session = await engine.open(program)
  await session.write(start)
  const actual = await session.run("f", feeds)
  for (const [name, numbers] of expected) {
    const scale = Math.max(...numbers.map(Math.abs), 1)
    expect(actual[name]!.length, name).toBe(numbers.length)
    numbers.forEach((number, i) => {
      expect(Math.abs(actual[name]![i]! - number) / scale, `${name}[${i}]`).toBeLessThan(3e-6)
    })
  }
  await session.close()
}

/** Compares each element of each gradient with a central difference of the function itself, on an engine. */
export async function checkGradients(engine: Engine, check: GradientCase): Promise<void> {
  const { feeds = {}, tolerance = 2e-3 } = check
  const { program, start } = programOf(check)
  const session = await engine.open(program)
  await session.write(start)
  const exact = await session.run("f", feeds)
  for (const [name, values] of start) {
    const numeric = await centralDifferences(name, values)
    const scale = Math.max(...exact[name]!.map(Math.abs), 1e-3)
    numeric.forEach((expected, i) =>
      expect(Math.abs(exact[name]![i]! - expected) / scale, `${name}[${i}]`).toBeLessThan(tolerance)
    )
  }
  await session.close()

  async function centralDifferences(name: string, values: Float32Array): Promise<Array<number>> {
    const step = 1e-2
    const differences: Array<number> = []
    for (let i = 0; i < values.length; i++) {
      const at = async (shift: number) => {
        const moved = values.slice()
        moved[i]! += shift
        await session.write(new Map([[name, moved]]))
        return (await session.run("f", feeds))["value"]![0]!
      }
      // Richardson: the error of the central difference is of the fourth order in the step.
      const [far, near] = [
        ((await at(2 * step)) - (await at(-2 * step))) / (4 * step),
        ((await at(step)) - (await at(-step))) / (2 * step)
      ]
      differences.push((4 * near - far) / 3)
    }
    await session.write(new Map([[name, values]]))
    return differences
  }
}
