import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { pageAssets } from "@hone/runner/sweep/report/pageAssets"
import { sweepHtml } from "@hone/runner/sweep/report/sweepHtml"
import { exampleSweep } from "@hone/runner/sweep/testing/exampleSweep"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { findBrowser, Page } from "./support/browser.ts"

const browser = findBrowser()
if (browser === undefined) console.log("skipped: no chromium is installed here to show the page of a sweep in")

describe.skipIf(browser === undefined)("the page of a sweep in a browser", () => {
  const folder = mkdtempSync(join(tmpdir(), "hone-page-"))
  const file = join(folder, "sweep.html")
  const sweep = exampleSweep()
  let page: Page

  beforeAll(async () => {
    writeFileSync(file, sweepHtml(sweep, pageAssets()))
    page = await Page.open(browser!)
    await page.visit(pathToFileURL(file).href, { width: 1280, height: 900 })
  })
  afterAll(async () => {
    await page?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const count = (selector: string) =>
    page.evaluate<number>(`document.querySelectorAll(${JSON.stringify(selector)}).length`)

  it("draws every figure, and none of them empty", async () => {
    const figures = ["importances", "parallel", "params", "curves", "machine"]
    const drawn = await page.evaluate<Record<string, number>>(
      `Object.fromEntries([...document.querySelectorAll("section[id]")].filter((s) => !s.hidden).map((s) => [s.id, s.querySelectorAll("svg path, svg rect, svg circle").length]))`
    )
    assert.deepStrictEqual(Object.keys(drawn), figures)
    for (const id of figures) assert.isAbove(drawn[id]!, 3, id)
    // One line a trial in the parallel coordinates, a bar a stretch of work, a small plot a param.
    assert.strictEqual(await count('#parallel [aria-label="line"] path'), sweep.trials.length)
    assert.strictEqual(await count('#machine [aria-label="bar"] rect'), sweep.trials.length)
    assert.strictEqual(await count("#params svg"), 4)
  })

  it("gives each figure a name for those who do not see it", async () => {
    assert.strictEqual(await count("svg[aria-label]"), await count(".plot > svg, .plot > figure > svg"))
  })

  it("asks for nothing but itself, and complains of nothing", () => {
    assert.deepStrictEqual(page.requested, [pathToFileURL(file).href])
    assert.deepStrictEqual(page.complaints, [])
  })

  it("points out a trial whose number is pressed, by keyboard too", async () => {
    await page.evaluate(`document.querySelector('button[data-trial="${sweep.best}"]').focus()`)
    const key = { key: "Enter", code: "Enter", windowsVirtualKeyCode: 13, text: "\r" }
    await page.send("Input.dispatchKeyEvent", { type: "keyDown", ...key })
    await page.send("Input.dispatchKeyEvent", { type: "keyUp", ...key })
    await page.settle()
    assert.strictEqual(await count('button[aria-pressed="true"]'), 1)
    assert.strictEqual(await count('#parallel [aria-label="line"] path[stroke-opacity="1"]'), 1)
  })

  it("is read on a telephone: nothing but tables and wide figures scrolls sideways", async () => {
    await page.resize({ width: 400, height: 800 })
    assert.isAtMost(await page.evaluate<number>("document.documentElement.scrollWidth"), 400)
    assert.isAtMost(await page.evaluate<number>(`document.querySelector("#curves svg").clientWidth`), 400)
  })

  it("is dark where the reader wants it dark", async () => {
    await page.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: "dark" }] })
    assert.strictEqual(
      await page.evaluate<string>("getComputedStyle(document.body).backgroundColor"),
      "rgb(21, 24, 29)"
    )
  })
})
