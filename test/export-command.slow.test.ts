import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { float32Lists, readTable, strings } from "@hone/steps/arrow/reader"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"

const shipped = readFileSync(fileURLToPath(new URL("../pipelines/sentiment.yaml", import.meta.url)), "utf8")

// The shipped pipeline on few short rows, without the comparison, and an export step at its end.
const steps = ["reviews", "base", "tokens", "parts", "trainable", "tuned", "after"]
const kept = shipped
  .split("\n")
  .filter((line) => !/^ {2}\w+: +\{ uses/u.test(line) || steps.includes(line.trim().split(":")[0]!))
  .join("\n")
  .replace("sample: 2300", "sample: 90")
  .replace("max_length: 128", "max_length: 24")
  .replace("epochs: 2", "epochs: 1")
/** The step as the guide has it. */
const guide = readFileSync(fileURLToPath(new URL("../docs/guide/export.md", import.meta.url)), "utf8")
const published = /^ {2}published: .*$/mu.exec(guide)![0]
/** Thresholds chosen on the validation rows, and an export that takes them along. */
const thresholded = [
  "  validated: { uses: evaluate, in: { model: tuned, rows: parts.validation } }",
  "  decided: { uses: evaluate, in: { model: tuned, rows: parts.test, thresholds_from: validated.predictions } }",
  "  deciding: { uses: export, in: { model: tuned, tokenizer: base.tokenizer, train: parts.train, metrics: decided } }"
]
const small = `${kept}\n${published}\n${thresholded.join("\n")}\n`
/** The same rows, tokens and parts, and no training: the base is what was exported. */
const onExported = kept
  .replace("model: minilm-l6", "model: exported/published")
  .replace(/^ {2}(trainable|tuned):.*\n/gmu, "")
  .replace("model: tuned", "model: base.model")

let place: Place
beforeAll(async () => {
  place = makePlace()
  place.write("first.yaml", small)
  expect((await place.run("first.yaml")).code).toBe(0)
})
afterAll(() => place.remove())

/** A table of a step's result, straight from the store. */
const tableOf = async (file: string, step: string, stage: string, output: string) => {
  const { steps } = JSON.parse((await place.hone("plan", file, "--json")).stdout) as {
    steps: ReadonlyArray<{ name: string; stages: ReadonlyArray<{ name: string; key: string }> }>
  }
  const { key } = steps.find(({ name }) => name === step)!.stages.find(({ name }) => name === stage)!
  const { record } = JSON.parse(readFileSync(join(place.folder, `.hone/ac/${key}.json`), "utf8")) as {
    record: { outputs: Record<string, { blob: string }> }
  }
  const { blob } = record.outputs[output]!
  return readTable({ path: join(place.folder, ".hone/cas", blob.slice(0, 2), blob), blob })
}

const predictions = async (file: string) => {
  const table = await tableOf(file, "after", "predictions", "predictions")
  const scores = float32Lists(table, "scores")
  const texts = strings(table, "text")
  return strings(table, "predicted").map((predicted, row) => ({
    text: texts[row]!,
    predicted,
    scores: [...scores[row]!]
  }))
}

const expectSame = (ours: ReadonlyArray<{ predicted: string; scores: ReadonlyArray<number> }>, theirs: typeof ours) => {
  expect(ours.map(({ predicted }) => predicted)).toEqual(theirs.map(({ predicted }) => predicted))
  ours.forEach(({ scores }, row) =>
    scores.forEach((score, at) => expect(Math.abs(score - theirs[row]!.scores[at]!)).toBeLessThan(1e-5))
  )
}

describe("hone export", () => {
  it("writes the folder whole, and says how to load it", async () => {
    const { code, stdout } = await place.hone("export", "first.yaml", "published")
    expect(code).toBe(0)
    expect(stdout).toContain(
      'AutoModelForSequenceClassification.from_pretrained("exported/published", trust_remote_code=True)'
    )
    expect(readdirSync(join(place.folder, "exported"))).toEqual(["published"])
    const files = readdirSync(join(place.folder, "exported/published"))
    expect(files).toEqual(
      expect.arrayContaining(["config.json", "hone.json", "model.safetensors", "modeling_hone.py", "tokenizer.json"])
    )
  })

  it("what it wrote is a base: the same rows get the same predictions without training", async () => {
    place.write("second.yaml", onExported)
    const { code, stages } = await place.run("second.yaml")
    expect([code, stages.includes("base/base"), stages.some((stage) => stage.startsWith("reviews/"))]).toEqual([
      0,
      true,
      false
    ])
    expectSame(await predictions("second.yaml"), await predictions("first.yaml"))
  })

  it("exports a train step as its export step does, but for the card", async () => {
    const { code } = await place.hone("export", "first.yaml", "tuned", "--to", "there/model")
    expect(code).toBe(0)
    for (const name of ["config.json", "model.safetensors", "tokenizer_config.json"]) {
      const [one, other] = ["there/model", "exported/published"].map((folder) =>
        readFileSync(join(place.folder, folder, name))
      )
      expect(one!.equals(other!), name).toBe(true)
    }
  })

  it("tells what stands behind the weights by digests, and no path of this machine", async () => {
    const folder = join(place.folder, "exported/published")
    const text = readFileSync(join(folder, "hone.json"), "utf8")
    const { stages } = JSON.parse(text) as {
      stages: ReadonlyArray<{ step: string; preimage: { sources?: object; inputs: object } }>
    }
    expect([...new Set(stages.map(({ step }) => step))]).toEqual([...steps, "published"])
    expect(stages.find(({ step }) => step === "reviews")!.preimage.sources).toHaveProperty(["source", "digest"])
    const card = readFileSync(join(folder, "README.md"), "utf8")
    for (const words of ["# Film reviews, good or bad", "| this model |", "| accuracy |", "| training rows |"])
      expect(card).toContain(words)
    for (const words of [text, card]) expect(words).not.toMatch(/hone-test-|\/tmp|\/home|imdb/u)
  })

  it("replaces a model folder only when told, and nothing else ever", async () => {
    const again = await place.hone("export", "first.yaml", "published")
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("--force")])
    expect((await place.hone("export", "first.yaml", "published", "--force")).code).toBe(0)
    place.write("mine/letter.txt", "dear")
    const mine = await place.hone("export", "first.yaml", "published", "--to", "mine", "--force")
    expect([mine.code, readdirSync(join(place.folder, "mine"))]).toEqual([2, ["letter.txt"]])
  })

  it("asked for a step that has no model, or has not run, says which would do and what makes it", async () => {
    const kind = await place.hone("export", "first.yaml", "parts")
    expect([kind.code, kind.stderr]).toEqual([2, expect.stringMatching(/split step.*\n.*tuned, published/u)])
    const stale = await place.hone("export", "first.yaml", "tuned", "--set", "params.learning_rate=1e-4")
    expect([stale.code, stale.stderr]).toEqual([1, expect.stringMatching(/learning_rate.*\n.*hone run first.yaml/u)])
  })
})

describe("hone predict", () => {
  it("predicts a file as evaluate predicts the same rows, its text column named as in the pipeline", async () => {
    const expected = await predictions("first.yaml")
    place.write("new.jsonl", expected.map(({ text }, row) => JSON.stringify({ t: text, id: `n${row}` })).join("\n"))
    const { code, stderr } = await place.hone(
      "predict",
      "first.yaml",
      "tuned",
      "--in",
      "new.jsonl",
      "--out",
      "out.jsonl"
    )
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(new RegExp(`^${expected.length} rows in .*cut to 24 tokens`, "u"))
    ])
    const rows = readFileSync(join(place.folder, "out.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { id: string; predicted: string; scores: Record<string, number> })
    expect(rows.map(({ id }) => id)).toEqual(expected.map((_, row) => `n${row}`))
    expectSame(
      rows.map(({ predicted, scores }) => ({ predicted, scores: [scores["0"]!, scores["1"]!] })),
      expected
    )
    const byEvaluate = await place.hone("predict", "first.yaml", "after", "--in", "new.jsonl")
    expect(byEvaluate.stdout).toBe(readFileSync(join(place.folder, "out.jsonl"), "utf8"))
  })

  it("decides by the thresholds that an evaluation chose, by its name or by that of an export that reads it", async () => {
    const table = await tableOf("first.yaml", "decided", "metrics", "decisions")
    const expected = strings(table, "predicted")
    place.write(
      "texts.jsonl",
      strings(table, "text")
        .map((t) => JSON.stringify({ t }))
        .join("\n")
    )
    const said = async (step: string) => {
      const { code, stderr, stdout } = await place.hone("predict", "first.yaml", step, "--in", "texts.jsonl")
      expect(code).toBe(0)
      const lines = stdout.trim().split("\n")
      return { stderr, predicted: lines.map((line) => (JSON.parse(line) as { predicted: string }).predicted) }
    }
    expect((await said("decided")).predicted).toEqual(expected)
    expect((await said("deciding")).predicted).toEqual(expected)
    const plain = await said("tuned")
    expect(plain.predicted).not.toEqual(expected)
    expect(plain.stderr).toContain("`decided` chose thresholds for this model")
  })

  it("asked for what it cannot do, says what would do, and writes nothing", async () => {
    place.write("new.csv", "review,stars\ngood,5\n")
    const asked = (...args: ReadonlyArray<string>) => place.hone("predict", "first.yaml", ...args)
    const cases: ReadonlyArray<readonly [ReadonlyArray<string>, number, RegExp]> = [
      [["tuned", "--in", "new.csv", "--out", "no.csv"], 1, /no column "t"; it has review, stars\n.*--text NAME/u],
      [["tuned", "--in", "absent.csv", "--out", "no.csv"], 2, /there is no absent.csv/u],
      [["tuned", "--in", "new.csv", "--out", "no.xls"], 2, /\.csv, \.jsonl, \.parquet, \.arrow/u],
      [["tuned", "--in", "new.csv", "--out", "new.csv", "--text", "review"], 2, /new.csv is there already\n.*--force/u],
      [["tokens", "--in", "new.csv", "--out", "no.csv"], 2, /tokenize step.*\n.*tuned, after/u],
      [["tunde", "--in", "new.csv", "--out", "no.csv"], 2, /did you mean `tuned`/u],
      [
        ["tuned", "--in", "new.csv", "--out", "no.csv", "--set", "tuned.epochs=3"],
        1,
        /epochs.*\n.*hone run first.yaml/u
      ]
    ]
    for (const [args, code, words] of cases) {
      const outcome = await asked(...args)
      expect([args, outcome.code, outcome.stderr]).toEqual([args, code, expect.stringMatching(words)])
    }
    expect(existsSync(join(place.folder, "no.csv"))).toBe(false)
    const named = await asked("tuned", "--in", "new.csv", "--out", "yes.csv", "--text", "review")
    expect([named.code, readFileSync(join(place.folder, "yes.csv"), "utf8").split("\n")[0]]).toEqual([
      0,
      "row,predicted,score,score_0,score_1"
    ])
  })
})
