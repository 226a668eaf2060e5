import { describe, expect, it } from "vitest"
import { Philox } from "./philox.ts"
import { Builder } from "../graph/Builder.ts"
import { Graph } from "../graph/Graph.ts"
import { nativeEngines, openForTest } from "../testing/engines.ts"
import { finishProgram } from "../train/variables.ts"

/** First numbers of TensorFlow 2.21.0's StatelessRandomUniform (C API, CPU), as float32 bits. */
const tensorflow: ReadonlyArray<readonly [seed: readonly [number, number], bits: string]> = [
  [[1, 2], "5814583f88a7443e7c087f3f983c243e"],
  [[-5, 7], "80793f3dd0c3893e5e50223f8296313f"],
  [[2147483647, -2147483648], "8032f23c96ac613f20adc43db0f8bc3e"],
  [[0, 0], "7014583e12bd343ff4d04c3fa452453f"]
]

const bitsOf = (values: Float32Array) =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("hex")

describe("Philox", () => {
  it.each(tensorflow)("gives the numbers that TensorFlow gives for seed %j", ([first, second], bits) => {
    const values = new Float32Array(4)
    Philox.fromSeed(first, second).fillUniform(values)
    expect(bitsOf(values)).toBe(bits)
  })

  it.each([...nativeEngines, "wasm", "cpu"] as const)(
    "is what %s draws from, to the last bit and past a block of four",
    async (name) => {
      const graph = new Graph()
      const g = new Builder(graph, "draw")
      const draw = g.finish({ values: g.randomUniform([4099], g.feed("seed", "int32", [2])) })
      const session = await (await openForTest(name)).open(finishProgram(graph, { draw }))
      const expected = new Float32Array(4099)
      Philox.fromSeed(-123456, 789).fillUniform(expected)
      const { values } = await session.run("draw", { seed: Int32Array.of(-123456, 789) })
      expect(bitsOf(values as Float32Array)).toBe(bitsOf(expected))
      await session.close()
    }
  )

  it("draws normal numbers with the mean and the spread asked for", () => {
    const values = new Float32Array(20001)
    Philox.fromSeed(7, 0).fillNormal(values, 0.02)
    const mean = values.reduce((a, b) => a + b, 0) / values.length
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length
    expect(Math.abs(mean)).toBeLessThan(5e-4)
    expect(Math.sqrt(variance)).toBeCloseTo(0.02, 3)
    const within = values.filter((value) => Math.abs(value) < 0.02).length / values.length
    expect(within).toBeCloseTo(0.6827, 1)
  })
})
