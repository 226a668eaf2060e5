import { createHash } from "node:crypto"
import { assert, describe, it } from "vitest"
import { sweepHtml } from "./sweepHtml.ts"
import { exampleSweep } from "../testing/exampleSweep.ts"

const sweep = exampleSweep()
const assets = { script: "draw()", style: "p { color: red }" }
const html = sweepHtml(sweep, assets)

/** The texts of each row of the table. */
const rows = (page: string): ReadonlyArray<ReadonlyArray<string>> =>
  [...page.matchAll(/<tr[^>]*>(.*?)<\/tr>/gsu)].map(([, row]) =>
    [...row!.matchAll(/<t[dh][^>]*>(.*?)<\/t[dh]>/gsu)].map(([, cell]) => cell!.replaceAll(/<[^>]*>/gu, ""))
  )

describe("the page of a sweep", () => {
  it("ranks the trials with what differs, mean and sd, beside the base", () => {
    const [head, base, first] = rows(html)
    assert.deepStrictEqual(head, [
      "rank",
      "trial",
      "learning_rate",
      "batch_size",
      "strategy",
      "layer_decay",
      "weight_decay",
      "validation_accuracy",
      "state",
      "seconds"
    ])
    assert.include(base!, "the base, accuracy on test rows (probed on its frozen features)")
    assert.include(base!, "0.763")
    assert.deepStrictEqual([first![0], first![7], first![8]], ["1", "0.8646 ± 0.004", "complete"])
    assert.deepStrictEqual(
      rows(html)
        .slice(2)
        .map(([rank]) => rank),
      [...Array.from({ length: 17 }, (_, at) => String(at + 1)), ""]
    )
  })

  it("says why a trial failed and where one was stopped", () => {
    assert.include(html, "tuned: 6.1 GB predicted, 7.9 GB seen")
    assert.include(html, "stopped at 1")
  })

  it("warns of optimism, and puts the number on test rows beside the one that was chosen by", () => {
    assert.include(html, sweep.warnings[0]!)
    assert.match(
      html,
      /best of 17 by validation_accuracy<b>0\.8646 ± 0\.004<\/b>.*its accuracy on test rows<b>0\.8436<\/b>/su
    )
  })

  it("shows names as text, whatever stands in them", () => {
    assert.include(html, "<h1>Sweep of sentiment &lt;b&gt;&amp;amp; more</h1>")
    const hostile = sweepHtml({ ...sweep, pipeline: "</script><script>alert(1)</script>" }, assets)
    assert.notInclude(hostile, "<script>alert")
  })

  it("carries its data, which reads back as it was", () => {
    const [, data] = /<script id="sweep" type="application\/json">(.*?)<\/script>/su.exec(html)!
    assert.deepStrictEqual(JSON.parse(data!), sweep)
  })

  it("lets only its own script run, and loads nothing", () => {
    const hash = createHash("sha256").update(assets.script).digest("base64")
    assert.include(html, `default-src 'none'; script-src 'sha256-${hash}'`)
    assert.notMatch(html, /(?:src|href)="(?!data:)/u)
    assert.notMatch(html, /https?:|@import|url\(/u)
  })

  it("says it where nothing is known yet", () => {
    const empty = sweepHtml(
      {
        ...sweep,
        trials: [],
        best: null,
        test: null,
        base: null,
        prune: null,
        curve: null,
        decisions: [],
        warnings: []
      },
      assets
    )
    assert.include(empty, "0 trials")
    assert.strictEqual(rows(empty).length, 1)
  })
})
