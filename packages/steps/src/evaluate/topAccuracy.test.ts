import { expect, it } from "vitest"
import { type MetricName, metricRows } from "./metrics.ts"
import type { ScoredClasses } from "./scored.ts"

/** Five classes; the true one of row r has the rank r + 1 among the scores. */
const ranked: ScoredClasses = {
  kind: "classes",
  rowIds: ["a", "b", "c", "d", "e"],
  texts: ["", "", "", "", ""],
  names: ["v", "w", "x", "y", "z"],
  labels: Int32Array.of(0, 1, 2, 3, 4),
  predicted: new Int32Array(5),
  scores: Float32Array.from({ length: 25 }, (_, at) => (5 - (at % 5)) / 15)
}

const told = (metrics: ReadonlyArray<MetricName>, top_k: ReadonlyArray<number>, scored = ranked) =>
  metricRows("model", scored, metrics, { resamples: 0, confidence: 0.95, seed: 1, top_k })
    .filter(({ metric }) => metric.startsWith("top_"))
    .map(({ metric, value }) => [metric, value])

it("the share of rows whose class is among the first k, for each k below the number of classes", () => {
  expect(told(["accuracy"], [4, 2, 3, 2, 5, 9])).toEqual([
    ["top_2_accuracy", 0.4],
    ["top_3_accuracy", 0.6],
    ["top_4_accuracy", 0.8]
  ])
})

it("that of three is told once, whoever asks for it", () => {
  expect(told(["top_3_accuracy"], [3, 4])).toEqual([
    ["top_3_accuracy", 0.6],
    ["top_4_accuracy", 0.8]
  ])
  expect(told(["top_3_accuracy"], [])).toEqual([["top_3_accuracy", 0.6]])
})
