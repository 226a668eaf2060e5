import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"

const shipped = readFileSync(fileURLToPath(new URL("../pipelines/sentiment.yaml", import.meta.url)), "utf8")
const small = shipped
  .replace("sample: 2300", "sample: 90")
  .replace("max_length: 128", "max_length: 24")
  .replace(/before:( +)\{ uses: evaluate, in: \{ model: [\w.]+/, "before:$1{ uses: evaluate, in: { model: trainable")

let place: Place
beforeAll(() => {
  place = makePlace()
})
afterAll(() => place.remove())

it("the probe, the training and the tuned model share the frozen blocks' output over the same rows", async () => {
  place.write("partial.yaml", small)
  const first = await place.run("partial.yaml")
  expect(first.code).toBe(0)
  const prefixes = first.stages.filter((stage) => /\/(hidden|features)_/.test(stage))
  // Over training rows, test rows and validation rows once each; then one vector a row for the probe, from the first two.
  expect(prefixes).toHaveLength(5)
  const { stages } = await place.run("partial.yaml", "--set", "params.learning_rate=1e-4")
  expect(stages).toEqual(["after/metrics", "after/predictions", "tuned/fit", "verdict/compare-to-base"])
})

it("a head alone trains and predicts on the vectors that the probe was fitted on", async () => {
  place.write("head.yaml", small.replace("strategy: { partial: { last_blocks: 2 } }", "strategy: head"))
  const { code, stages } = await place.run("head.yaml")
  expect(code).toBe(0)
  // The probe's vectors are there from the run before, whatever the strategy: nothing but those of the validation rows is new.
  expect(stages.filter((stage) => /features_|hidden_/.test(stage))).toEqual(["tuned/features_validation"])
})
