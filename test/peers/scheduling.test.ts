import { availableParallelism } from "node:os"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Place } from "../support/hone.ts"
import { makePlace } from "../support/hone.ts"

// One test for each fault that was seen in DVC, Snakemake, Nx, Turborepo and their kin, named after it: here those of schedulers.

let place: Place
beforeEach(() => {
  place = makePlace()
})
afterEach(() => place.remove())

const ingest = (source: string) =>
  `{ uses: ingest, with: { source: ${source}, task: text-classification, columns: { text: text, label: label } } }`

describe("DVC #755", () => {
  it.skipIf(availableParallelism() < 2)(
    "steps run one after another although independent: they run side by side",
    async () => {
      const names = ["one", "two"]
      for (const name of names) {
        const rows = Array.from({ length: 20_000 }, (_, row) => `${name} ${row},${row % 2 === 0 ? "a" : "b"}`)
        place.write(`${name}.csv`, ["text,label", ...rows].join("\n"))
      }
      place.write(
        "p.yaml",
        `name: two\nsteps:\n${names.map((name) => `  ${name}: ${ingest(`${name}.csv`)}\n`).join("")}`
      )
      const { code, events } = await place.run("p.yaml")
      const states = events.flatMap((event) => (event.event === "stage" ? [event.state] : []))
      expect([code, states]).toEqual([0, ["started", "started", "ended", "ended"]])
    }
  )
})

describe("DVC #10629", () => {
  it("quadratic in the number of stages: three times as many take three times as long", async () => {
    place.write("rows.csv", "text,label\nthis,a\nthat,b\n")
    const seconds = async (steps: number) => {
      const parts = Array.from(
        { length: steps },
        (_, i) => `  part${i}: { uses: split, in: { rows: rows }, with: { test: { count: 1 }, seed: ${i} } }\n`
      )
      place.write(`${steps}.yaml`, `name: many\nsteps:\n  rows: ${ingest("rows.csv")}\n${parts.join("")}`)
      const began = performance.now()
      const { code, stdout } = await place.hone("plan", `${steps}.yaml`, "--json")
      expect([code, (JSON.parse(stdout) as { steps: Array<unknown> }).steps.length]).toEqual([0, steps + 1])
      return (performance.now() - began) / 1000
    }
    await seconds(10)
    const [few, many] = [await seconds(1000), await seconds(3000)]
    // Nine times, were it quadratic; and the command's start is in both.
    expect(many / few).toBeLessThan(6)
  })
})
