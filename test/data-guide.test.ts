import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"

const page = readFileSync(fileURLToPath(new URL("../docs/guide/data.md", import.meta.url)), "utf8")
const examples = [...page.matchAll(/^```yaml\n([^]*?)^```$/gmu)].map(([, body]) => body!)

const teams = ["billing", "login", "shipping"]
const line = (at: number) =>
  `"ticket ${at}: something about ${teams[at % 3]}",${teams[at % 3]},${at % 4 === 0 ? "de" : "en"},${2015 + (at % 10)}`
const tickets = ["body,team,lang,year", ...Array.from({ length: 60 }, (_, at) => line(at))].join("\n")

let place: Place
beforeAll(() => {
  place = makePlace()
  place.write("tickets.csv", tickets)
})
afterAll(() => place.remove())

describe("docs/guide/data.md", () => {
  it("has pipelines that run", async () => {
    expect(examples.length).toBe(2)
    for (const text of examples) {
      place.write("example.yaml", text)
      const { code, outcomes } = await place.run("example.yaml")
      expect([code, Object.values(outcomes).includes("failed")]).toEqual([0, false])
    }
  })

  it("tells the fault of an expression as it is told", async () => {
    place.write("example.yaml", examples[0]!.replace('lang == "de"', 'lagn == "de"'))
    const { code, stderr } = await place.hone("plan", "example.yaml")
    const [message, expression, mark, hint] = /^```text\n([^]*?)^```$/mu.exec(page)![1]!.split("\n")
    expect(code).toBe(2)
    for (const part of [message!, expression!, mark!, hint!]) expect(stderr).toContain(part)
  })

  it("a guessed pipeline is one that plans, and preview shows what a step made", async () => {
    const guessed = await place.hone("ingest", "tickets.csv", "--guess")
    expect(guessed.stdout).toContain("task: text-classification, columns: { text: body, label: team }")
    place.write("guessed.yaml", guessed.stdout)
    expect((await place.hone("plan", "guessed.yaml")).code).toBe(0)
    expect((await place.hone("preview", "example.yaml", "rows")).code, "the file is at fault").toBe(2)
    place.write("example.yaml", examples[1]!)
    const { stdout } = await place.hone("preview", "example.yaml", "rows", "--rows", "1")
    expect(stdout).toMatch(
      /ticket 0: something about billing[^]*60 rows\nlabels\n {2}billing +20 +33\.3 % +█+[^]*length in characters/
    )
    expect((await place.hone("ingest", "nothing.csv")).stderr).toContain("there is no `nothing.csv`")
  })
})
