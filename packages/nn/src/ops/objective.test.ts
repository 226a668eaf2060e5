import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { gradientsOf } from "../autodiff.ts"
import type { Engine, EngineName } from "../engines/Engine.ts"
import { Builder } from "../graph/Builder.ts"
import { Graph } from "../graph/Graph.ts"
import { fastestEngine, openForTest } from "../testing/engines.ts"
import { largestDifference } from "../testing/golden.ts"
import { finishProgram } from "../train/variables.ts"
import { type Objective, objectiveLoss } from "./objective.ts"

interface Golden {
  readonly name: string
  readonly loss: number
  readonly gradient: ReadonlyArray<number>
}
const goldens = JSON.parse(
  readFileSync(new URL("../testing/objectives.json", import.meta.url), "utf8")
) as ReadonlyArray<Golden>

const classes = [2, 1, 0, -100]
const weights = [0.5, 2, 1.25]
const logits = [0.3, -1.2, 2.1, 1.7, 0.4, -0.6, -2.5, 0.9, 0.1, 4, -3, 0.5]
const several = [1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 1, 1]
const values = [0.5, -1.25, 3, 0]
const weightOfRows = 1.25 + 2 + 0.5

interface Case {
  readonly objective: Objective
  readonly count: number
  readonly labels: (g: Builder) => ReturnType<Builder["ints"]>
}

const ofClasses = (objective: Omit<Extract<Objective, { kind: "cross_entropy" }>, "kind">, count = 3): Case => ({
  objective: { kind: "cross_entropy", ...objective },
  count,
  labels: (g) => g.ints(classes)
})
const ofSeveral = (pos_weight?: ReadonlyArray<number>): Case => ({
  objective: { kind: "binary_cross_entropy", pos_weight },
  count: 4,
  labels: (g) => g.graph.constant("float32", [4, 3], several)
})

const cases: Readonly<Record<string, Case>> = {
  smoothed: ofClasses({ label_smoothing: 0.1 }),
  weighted: ofClasses({ class_weights: weights }, weightOfRows),
  "weighted and smoothed": ofClasses({ class_weights: weights, label_smoothing: 0.2 }, weightOfRows),
  "focal 2": ofClasses({ focal_gamma: 2 }),
  "focal 0.5, weighted": ofClasses({ focal_gamma: 0.5, class_weights: weights }, weightOfRows),
  several: ofSeveral(),
  "several, weighted": ofSeveral(weights),
  squared: {
    objective: { kind: "mean_squared_error" },
    count: 4,
    labels: (g) => g.graph.constant("float32", [4], values)
  }
}

/** Loss and gradient by the logits [4, 3]; a regression reads the first column alone. */
async function lossOf(engine: Engine, { count, labels, objective }: Case, at: ReadonlyArray<number> = logits) {
  const columns = objective.kind === "mean_squared_error" ? 1 : 3
  const graph = new Graph()
  const g = new Builder(graph, "f")
  const x = g.read(graph.variable("logits", [4, columns]))
  g.trains.add(x)
  const { loss } = objectiveLoss(g, { logits: x }, { count: g.scalar(count), labels: labels(g), objective })
  const gradient = gradientsOf(g, loss, [x]).get(x)!
  const session = await engine.open(finishProgram(graph, { f: g.finish({ loss, gradient }) }))
  const start = Float32Array.from({ length: 4 * columns }, (_, i) => at[Math.floor(i / columns) * 3 + (i % columns)]!)
  await session.write(new Map([["logits", start]]))
  const out = await session.run("f", {})
  await session.close()
  return { loss: out["loss"]![0]!, gradient: out["gradient"]!, columns }
}

describe.each([...new Set<EngineName>([fastestEngine, "wasm", "cpu"])])("objectives on %s", (name) => {
  it.each(goldens.map((golden) => [golden.name, golden] as const))(
    "%s: PyTorch's loss and gradient",
    async (_, golden) => {
      const { columns, gradient, loss } = await lossOf(await openForTest(name), cases[golden.name]!)
      expect(loss).toBeCloseTo(golden.loss, 5)
      const expected = golden.gradient.filter((__, i) => i % 3 < columns)
      expect(largestDifference(gradient, expected)).toBeLessThan(1e-6 * Math.max(1, ...expected.map(Math.abs)))
    }
  )

  it("stays finite where a row is certain, rightly or wrongly", async () => {
    const certain = [60, -60, 0, 60, -60, 0, -60, 60, 0, 0, 0, 0]
    for (const each of Object.values(cases)) {
      const { gradient, loss } = await lossOf(await openForTest(name), each, certain)
      expect(Number.isFinite(loss)).toBe(true)
      expect([...gradient].every(Number.isFinite)).toBe(true)
    }
  })
})

it("a focal loss with smoothing is refused: it has no agreed form", async () => {
  const both = ofClasses({ focal_gamma: 2, label_smoothing: 0.1 })
  await expect(lossOf(await openForTest("wasm"), both)).rejects.toThrow("no smoothed form")
})
