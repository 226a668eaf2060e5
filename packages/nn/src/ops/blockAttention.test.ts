import { describe, expect, it } from "vitest"
import type { Engine } from "../engines/Engine.ts"
import { gradientsOf, operation } from "../autodiff.ts"
import { costsOf } from "../graph/costs.ts"
import { Builder } from "../graph/Builder.ts"
import { Graph, type Tensor } from "../graph/Graph.ts"
import type { Program } from "../graph/Program.ts"
import { Philox } from "../random/philox.ts"
import { fastestEngine, openForTest } from "../testing/engines.ts"
import { checkInDouble, type GradientCase } from "../testing/gradientCheck.ts"
import { largestDifference } from "../testing/golden.ts"
import { finishProgram } from "../train/variables.ts"
import { blockAttention, placedBlockAttention, type Seen } from "./blockAttention.ts"
import { biasOf, causalBias } from "./causalBias.ts"
import { groupedAttention } from "./groupedAttention.ts"

const [B, T, H, K, D] = [2, 12, 4, 2, 4]
const sizes = { batch: B, heads: H, keyHeads: K, scale: 0.6 }
// The second row is padded behind; segments: two texts a row, of unlike lengths, and padding.
const masked = Array.from({ length: B * T }, (_, i) => (i < T + 9 ? 1 : 0))
const segmented = Array.from({ length: B * T }, (_, i) => (i % T < 5 ? 1 : i % T < 11 || i < T ? 2 : 0))

interface Case {
  readonly seen: (g: Builder) => Seen
  readonly softCap?: number
}
const mask = (g: Builder) => g.graph.constant("float32", [B, T], masked)
const segments = (g: Builder) => g.graph.constant("int32", [B, T], segmented)
const cases: Readonly<Record<string, Case>> = {
  "padding, both ways": { seen: (g) => ({ mask: mask(g), causal: false, window: null }) },
  "causal, padding": { seen: (g) => ({ mask: mask(g), causal: true, window: null }) },
  "sliding window": { seen: () => ({ causal: true, window: 5 }) },
  "segments, capped": { seen: (g) => ({ segments: segments(g), causal: true, window: null }), softCap: 1.5 }
}

/** The bias that a whole attention is given for the same. */
function biasFor(g: Builder, { causal, mask: real, segments: of, window }: Seen): Tensor {
  const parts: Array<Tensor> = []
  if (causal) parts.push(causalBias(g, g.range(T), T, window))
  if (real !== undefined) parts.push(g.reshape(biasOf(g, real), [B, 1, 1, T]))
  if (of !== undefined) {
    const apart = g.notEqual(g.reshape(of, [B, T, 1]), g.reshape(of, [B, 1, T]))
    parts.push(g.reshape(biasOf(g, g.sub(g.scalar(1), g.cast(apart, "float32"))), [B, 1, T, T]))
  }
  return parts.reduce((sum, part) => g.add(sum, part))
}

const square = operation("square", {
  forward: (g, { x }: Readonly<Record<"x", Tensor>>) => ({ outputs: { y: g.l2Loss(x) }, keep: undefined }),
  backward: (g, { y: dy }, { inputs: { x } }) => ({ x: g.mul(x, dy) })
})

type Attend = (g: Builder, inputs: Readonly<Record<"q" | "k" | "v", Tensor>>) => Tensor

/** Output and gradients of half its sum of squares. */
function programOf(attend: Attend, width: number, keyWidth: number, rows: number): Program {
  const g = new Builder(new Graph(), "f")
  const read = (name: string, columns: number) => g.read(g.graph.variable(name, [rows, columns]))
  const inputs = { q: read("q", width), k: read("k", keyWidth), v: read("v", keyWidth) }
  Object.values(inputs).forEach((x) => g.trains.add(x))
  const y = attend(g, inputs)
  const gradients = gradientsOf(g, square(g, { x: y }).y, Object.values(inputs))
  const fetches = Object.fromEntries(Object.entries(inputs).map(([name, x]) => [`d${name}`, gradients.get(x)!]))
  return finishProgram(g.graph, { f: g.finish({ y, ...fetches }) })
}

async function run(engine: Engine, program: Program) {
  const session = await engine.open(program)
  const values = [...program.writes].map(([name, { feed }], i) => {
    const floats = new Float32Array((feed.shape as ReadonlyArray<number>).reduce((a, b) => a * b, 1))
    Philox.fromSeed(5, i).fillNormal(floats, 1)
    return [name, floats] as const
  })
  await session.write(new Map(values))
  const result = await session.run("f", {})
  await session.close()
  return result
}

describe.each([...new Set([fastestEngine, "wasm" as const])])("attention in blocks on %s", (name) => {
  it.each(Object.entries(cases))("gives what a whole one gives: %s", async (_, { seen, softCap }) => {
    const engine = await openForTest(name)
    const whole: Attend = (g, x) =>
      groupedAttention(g, x, { ...sizes, queries: T, keys: T, softCap, bias: biasFor(g, seen(g)) }).y
    const expected = await run(engine, programOf(whole, H * D, K * D, B * T))
    for (const blocks of [1, 3, 4]) {
      const inBlocks: Attend = (g, x) => blockAttention(g, x, { ...sizes, length: T, blocks, softCap, seen: seen(g) }).y
      const actual = await run(engine, programOf(inBlocks, H * D, K * D, B * T))
      for (const [fetch, values] of Object.entries(expected)) {
        // What padding sees is nobody's business, and differs where all that it may see is padding.
        expect(largestDifference(actual[fetch]!, [...values]), `${fetch} in ${blocks}`).toBeLessThan(2e-5)
      }
    }
  })
})

const dropped: GradientCase = {
  inputs: { q: [6, 4], k: [6, 2], v: [6, 2] },
  apply: (g, { k, q, v }) =>
    blockAttention(
      g,
      { q: q!, k: k!, v: v! },
      {
        batch: 1,
        length: 6,
        blocks: 3,
        heads: 2,
        keyHeads: 1,
        scale: 0.7,
        softCap: 2,
        seen: { causal: true, window: 4 },
        dropout: { rate: 0.3, seed: g.feed("seed", "int32", [2]), site: 2 }
      }
    ).y,
  feeds: { seed: Int32Array.of(3, 4) },
  outputShape: [6, 4]
}

it("its derivative is its function's in double precision, under dropout, window and cap", () => checkInDouble(dropped))

const placed: GradientCase = {
  inputs: { q: [6, 4], k: [6, 4], v: [6, 4], table: [6, 2] },
  apply: (g, { k, q, table, v }) => {
    const relative = { maxDistance: 4, direction: "both" } as const
    const rows = { batch: 1, length: 6, blocks: 3, heads: 2, keyHeads: 2, seen: { causal: false, window: null } }
    return placedBlockAttention(g, { q: q!, k: k!, v: v!, table: table! }, { ...rows, scale: 1, relative }).y
  },
  outputShape: [6, 4]
}

it("so is that of biases by distance, the table's among them", () => checkInDouble(placed))

it("memory grows with the length, not with its square", () => {
  const at = (length: number, blocks: number): number => {
    const attend: Attend = (g, x) =>
      blockAttention(g, x, { ...sizes, batch: 1, length, blocks, seen: { causal: true, window: null } }).y
    return costsOf(programOf(attend, H * D, K * D, length), "f", {}).peakBytes
  }
  // Blocks of 64 tokens: eight times the tokens in eight times the blocks.
  expect(at(2048, 32)).toBeLessThan(8.5 * at(256, 4))
  const whole: Attend = (g, x) =>
    groupedAttention(g, x, {
      ...sizes,
      batch: 1,
      queries: 2048,
      keys: 2048,
      bias: causalBias(g, g.range(2048), 2048, null)
    }).y
  expect(at(2048, 32)).toBeLessThan(0.1 * costsOf(programOf(whole, H * D, K * D, 2048), "f", {}).peakBytes)
})
