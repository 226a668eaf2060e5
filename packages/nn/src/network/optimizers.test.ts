import { describe, expect, it } from "vitest"
import { gradientsOf, operation } from "../autodiff.ts"
import type { EngineName } from "../engines/Engine.ts"
import { Builder } from "../graph/Builder.ts"
import { Graph, type Tensor } from "../graph/Graph.ts"
import { fastestEngine, openForTest } from "../testing/engines.ts"
import { largestDifference } from "../testing/golden.ts"
import { finishProgram } from "../train/variables.ts"
import { optimizerOf, type OptimizerOptions } from "./optimizers.ts"

const start = { w: [0.5, -1, 2, 1.5, 0.25, -0.75], b: [0.1, -0.3] }
const c = [1, 2, -0.5, 0.3, -1.2, 0.8]
const d = [0.7, -1.1]

/** The sum of sin(w c) and b b d: gradients that change from step to step. */
const bowl = operation("bowl", {
  forward: (g, { b, w }: Readonly<Record<"w" | "b", Tensor>>) => {
    const angles = g.mul(w, g.graph.constant("float32", [2, 3], c))
    const bends = g.mul(g.square(b), g.graph.constant("float32", [2], d))
    return { outputs: { loss: g.add(g.sum(g.sin(angles), [0, 1]), g.sum(bends, [0])) }, keep: { angles } }
  },
  backward: (g, _, { inputs: { b }, keep: { angles } }) => ({
    w: g.mul(g.cos(angles), g.graph.constant("float32", [2, 3], c)),
    b: g.mul(g.mul(g.scalar(2), b), g.graph.constant("float32", [2], d))
  })
})

/** Weights after four steps at a learning rate of 0.1. */
async function fourSteps(engine: EngineName, options: OptimizerOptions) {
  const optimizer = optimizerOf(options)
  const g = new Builder(new Graph(), "train")
  const specs = [
    { name: "w", shape: [2, 3] },
    { name: "b", shape: [2] }
  ]
  const variables = specs.map(({ name, shape }) => g.graph.variable(name, shape))
  const [w, b] = variables.map((variable) => g.read(variable)) as [Tensor, Tensor]
  for (const value of [w, b]) g.trains.add(value)
  const { loss } = bowl(g, { w, b })
  const gradients = gradientsOf(g, loss, [w, b])
  const updates = variables.map((variable) => ({
    variable,
    value: g.read(variable),
    gradient: gradients.get(g.read(variable))!
  }))
  const train = g.finish({ loss }, { after: optimizer.update(g, updates, undefined), prepare: optimizer.prepare })
  const session = await (await openForTest(engine)).open(finishProgram(g.graph, { train }))
  await session.write(
    new Map(Object.entries(start).map(([name, values]) => [name, Float32Array.from(values)] as const))
  )
  const states = specs.flatMap((spec) => optimizer.state(spec))
  await session.write(
    new Map(states.map(({ name, shape }) => [name, new Float32Array(shape.reduce((x, y) => x * y, 1))] as const))
  )
  for (let step = 1; step <= 4; step++) await session.run("train", { learning_rate: 0.1, optimizer_step: step })
  const result = await session.read(["w", "b"])
  await session.close()
  return [...result.get("w")!, ...result.get("b")!]
}

const no_decay = () => false

// Printed by PyTorch 2.15 for the same function, start and learning rate, under the optimizer that stands in the name.
const goldens: Readonly<Record<string, readonly [OptimizerOptions, ReadonlyArray<number>]>> = {
  "SGD(momentum=0.9, weight_decay=0.05)": [
    { kind: "sgd", momentum: 0.9, nesterov: false, weight_decay: 0.05, no_decay },
    [-0.351408631, -0.594841659, 2.14787364, 1.18827891, 1.15915191, -1.27517545, -0.00413129944, -1.09606528]
  ],
  "SGD()": [
    { kind: "sgd", momentum: 0, nesterov: false, weight_decay: 0, no_decay },
    [0.128251776, -0.814100683, 2.10466599, 1.39132261, 0.667087972, -0.998975813, 0.0547008142, -0.664600432]
  ],
  "SGD(momentum=0.9, nesterov=True)": [
    { kind: "sgd", momentum: 0.9, nesterov: true, weight_decay: 0, no_decay },
    [-0.638655484, -0.709297419, 2.30857563, 1.16847694, 1.33681881, -1.45874166, -0.0121845286, -1.72466385]
  ],
  "Adafactor(weight_decay=0.05)": [
    { kind: "adafactor", beta2_decay: -0.8, eps: 1e-3, clip: 1, weight_decay: 0.05, no_decay },
    [-0.203058243, -0.785773933, 2.22701025, 1.29159617, 0.765569925, -1.27731681, 0.0226362385, -0.393871397]
  ]
}

/** Lion as the paper's algorithm 2 has it, in double precision. */
function lionByHand(betas: readonly [number, number], weightDecay: number): Array<number> {
  const weights = [...start.w, ...start.b]
  const moments = weights.map(() => 0)
  for (let step = 0; step < 4; step++) {
    weights.forEach((x, i) => {
      const gradient = i < 6 ? c[i]! * Math.cos(x * c[i]!) : 2 * x * d[i - 6]!
      const direction = Math.sign(betas[0] * moments[i]! + (1 - betas[0]) * gradient)
      weights[i] = x - 0.1 * (direction + weightDecay * x)
      moments[i] = betas[1] * moments[i]! + (1 - betas[1]) * gradient
    })
  }
  return weights
}

describe.each([...new Set<EngineName>([fastestEngine, "wasm", "cpu"])])("optimizers on %s", (engine) => {
  it.each(Object.entries(goldens))("%s", async (_, [options, expected]) => {
    expect(largestDifference(await fourSteps(engine, options), expected)).toBeLessThan(2e-6)
  })

  it("Lion", async () => {
    const options: OptimizerOptions = { kind: "lion", betas: [0.9, 0.99], weight_decay: 0.05, no_decay }
    expect(largestDifference(await fourSteps(engine, options), lionByHand([0.9, 0.99], 0.05))).toBeLessThan(2e-6)
  })
})

it("a step that counts from 0 is refused", async () => {
  const { prepare } = optimizerOf({ kind: "sgd", momentum: 0, nesterov: false, weight_decay: 0, no_decay })
  expect(() => prepare({ learning_rate: 0.1, optimizer_step: 0 })).toThrow("from 1")
})
