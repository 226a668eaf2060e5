import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { expect, it } from "vitest"
import { makePlace } from "./support/hone.ts"

const launcher = fileURLToPath(new URL("../hone", import.meta.url))

it("hone plan --watch plans again on every save, through faults and included files", async () => {
  const place = makePlace()
  const pipeline = (test: string) =>
    `name: w\ninclude: rows.yaml\nsteps:\n  parts: { uses: split, in: { rows: rows }, with: { test: ${test} } }\n`
  const rows = (label: string) =>
    `steps:\n  rows: { uses: ingest, with: { source: r.csv, task: text-classification, columns: { text: text, label: ${label} } } }\n`
  place.write("r.csv", "text,label\none,a\ntwo,b\n")
  place.write("rows.yaml", rows("label"))
  place.write("w.yaml", pipeline("0.5"))
  const child = spawn(launcher, ["plan", "w.yaml", "--watch", "--json"], {
    cwd: place.folder,
    stdio: ["ignore", "pipe", "pipe"]
  })
  const lines: Array<string> = []
  child.stdout.setEncoding("utf8").on("data", (text: string) => lines.push(...text.split("\n").filter(Boolean)))
  const printed = (count: number) => expect.poll(() => lines.length, { timeout: 15_000 }).toBe(count)
  await printed(1)
  place.write("w.yaml", pipeline("half"))
  await printed(2)
  expect(lines[1]).toContain("`test` must be")
  place.write("w.yaml", pipeline("0.5"))
  await printed(3)
  expect(lines[2]).toBe(lines[0])
  place.write("rows.yaml", rows("stars"))
  await printed(4)
  expect(lines[3]).toContain('no column \\"stars\\"')
  const exit = new Promise((resolve) => child.on("exit", resolve))
  child.kill("SIGINT")
  expect(await exit).toBe(130)
  place.remove()
})
