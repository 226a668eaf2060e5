import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
const read = (path: string) => readFileSync(join(root, path), "utf8")

// Whole commands, one after the other, on a machine that may have other work.
const minute = 60_000

const blocks = (page: string, language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "gmu"))].map(([, body]) => body!)

const teams = ["billing", "login", "shipping"]
const tickets = [
  "body,team",
  ...Array.from({ length: 30 }, (_, i) => `"ticket ${i}: something about ${teams[i % 3]}",${teams[i % 3]}`)
].join("\n")

let place: Place
beforeAll(() => {
  place = makePlace()
  place.write("tickets.csv", tickets)
})
afterAll(() => place.remove())

describe("docs/guide/pipeline-file.md", () => {
  const examples = blocks(read("docs/guide/pipeline-file.md"), "yaml")

  it("has examples that run", async () => {
    place.write(
      "shared.yaml",
      examples.find((text) => text.startsWith("# shared.yaml"))!
    )
    const whole = examples.filter((text) => /^name: /mu.test(text))
    expect(whole.length).toBe(5)
    for (const text of whole) {
      place.env["TICKETS"] = "tickets.csv"
      place.write("example.yaml", text)
      const { code, outcomes } = await place.run("example.yaml")
      expect([text.split("\n")[0], code, Object.values(outcomes).includes("failed")]).toEqual([
        text.split("\n")[0],
        0,
        false
      ])
    }
    // The instances that the page names.
    place.write(
      "example.yaml",
      whole.find((text) => text.includes("matrix:"))!
    )
    expect(Object.keys((await place.run("example.yaml")).outcomes)).toContain("parts@part=0.2,seed=1")
  })
})

describe("docs/guide/sweeps.md", () => {
  it("has examples that plan, and commands that run", { timeout: 3 * minute }, async () => {
    const page = read("docs/guide/sweeps.md")
    const [sweep, pipeline, ...others] = blocks(page, "yaml")
    place.write("tickets-sweep.yaml", sweep!)
    place.write("tickets.yaml", pipeline!)
    for (const text of others) {
      place.write("other-sweep.yaml", text)
      const { code, stderr } = await place.hone("sweep", "plan", "other-sweep.yaml")
      expect([code, stderr]).toEqual([0, ""])
    }
    const commands = blocks(page, "sh").flatMap((text) => text.split("\n").filter((line) => line.startsWith("./hone ")))
    expect(commands.length).toBe(6)
    for (const command of commands) {
      const words = command.replace(/\s+#.*$/u, "").match(/"[^"]*"|\S+/gu)!
      const { code, stderr } = await place.hone(...words.slice(1).map((word) => word.replaceAll('"', "")))
      expect([command, code, stderr]).toEqual([command, 0, ""])
    }
    for (const made of ["sweep.html", "trials.csv", "trials.arrow"])
      expect([made, existsSync(join(place.folder, made))]).toEqual([made, true])
  })
})

describe("docs/guide/errors.md", () => {
  const page = read("docs/guide/errors.md")
  for (const section of page.split(/^## /mu).slice(1)) {
    const title = section.split("\n")[0]!
    it(title, async () => {
      const file = `${title.toLowerCase().replaceAll(" ", "-")}.yaml`
      place.write(file, blocks(section, "yaml")[0]!)
      const { code, stderr } = await place.hone("plan", file)
      expect(stderr).toBe(blocks(section, "text")[0]!)
      expect(code).toBe(2)
    })
  }
})

describe("README.md", () => {
  it("shows the shipped pipeline", () => {
    const shown = blocks(read("README.md"), "yaml")[0]!
    const names = (text: string) =>
      [...text.matchAll(/^ {2}(\w+): +\{ uses: ([\w-]+)/gmu)].map(([, name, kind]) => [name, kind])
    expect(names(shown)).toEqual(names(read("pipelines/sentiment.yaml")))
  })

  it("has commands that work", { timeout: 3 * minute }, async () => {
    const small = read("pipelines/sentiment.yaml")
      .replace("sample: 2300", "sample: 90")
      .replace("max_length: 128", "max_length: 24")
    place.write("pipelines/sentiment.yaml", small)
    place.write("pipelines/sentiment-sweep.yaml", read("pipelines/sentiment-sweep.yaml"))
    const commands = blocks(read("README.md"), "sh")
      .flatMap((text) => text.split("\n"))
      .filter((line) => line.startsWith("./hone "))
    expect(commands.length).toBeGreaterThan(8)
    for (const command of commands) {
      const args = command
        .replace(/\s+#.*$/u, "")
        .split(/\s+/u)
        .slice(1)
      const { code, stderr } = await place.hone(...args)
      expect([command, code, stderr]).toEqual([command, 0, ""])
    }
  })
})
