import { expect, it } from "vitest"
import { Graph } from "../graph/Graph.ts"
import { fastestEngine, openForTest } from "../testing/engines.ts"
import { averageDecay, averageName, averaging } from "./average.ts"
import { finishProgram } from "./variables.ts"

it.each([...new Set([fastestEngine, "wasm" as const])])("averages are those of the formula (%s)", async (engine) => {
  const graph = new Graph()
  const program = finishProgram(graph, averaging(graph, [graph.variable("w", [2])]))
  const session = await (await openForTest(engine)).open(program)
  const average = async () => [...(await session.read([averageName("w")])).get(averageName("w"))!]
  const move = async (values: ReadonlyArray<number>, decay: number) => {
    await session.write(new Map([["w", Float32Array.from(values)]]))
    await session.run("average", { decay })
    return average()
  }
  await session.write(new Map([["w", Float32Array.of(1, -2)]]))
  await session.run("init_average", {})
  expect(await average()).toEqual([1, -2])
  // 1 * 0.75 + 3 * 0.25 and -2 * 0.75 + 6 * 0.25; then 1.5 * 0.5 + 0.5 * 0.5 and 0 * 0.5 + 8 * 0.5.
  expect(await move([3, 6], 0.75)).toEqual([1.5, 0])
  expect(await move([0.5, 8], 0.5)).toEqual([1, 4])
  // Numbers that no sum of fractions would give back: a decay of 0 must not touch them.
  expect(await move([0.1, 1e-30], 0)).toEqual([...Float32Array.of(0.1, 1e-30)])
  await session.close()
})

it("the decay grows to the one asked for", () => {
  expect([1, 8, 1000].map((update) => averageDecay(0.9, update))).toEqual([2 / 11, 0.5, 0.9])
})
