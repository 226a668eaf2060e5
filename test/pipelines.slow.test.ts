import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect, it } from "vitest"
import { makePlace } from "./support/hone.ts"

const pipelines = fileURLToPath(new URL("../pipelines/", import.meta.url))

/** What makes each shipped pipeline small enough to run here. The others are planned only, by test/schema.test.ts. */
const small: Readonly<Record<string, ReadonlyArray<string>>> = {
  "sentiment.yaml": ["reviews.sample=90", "params.max_length=24"],
  "authors.yaml": ["params.lines=120", "params.epochs=1", "tokens.max_length=16"]
}

it.each(readdirSync(pipelines).filter((name) => Object.hasOwn(small, name)))("pipelines/%s runs", async (name) => {
  const place = makePlace()
  place.write(`pipelines/${name}`, readFileSync(`${pipelines}${name}`, "utf8"))
  const sets = small[name]!.flatMap((set) => ["--set", set])
  const { code, outcomes } = await place.run(`pipelines/${name}`, ...sets)
  expect([code, Object.values(outcomes).every((outcome) => outcome === "ran")]).toEqual([0, true])
  const { stdout } = await place.hone("run", `pipelines/${name}`, ...sets)
  expect(stdout).toContain("the tuned model")
  place.remove()
})
