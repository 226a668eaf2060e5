import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { PlanJson, ShowJson } from "@hone/core/Contract"
import { Schema } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"

const shipped = readFileSync(fileURLToPath(new URL("../pipelines/sentiment.yaml", import.meta.url)), "utf8")

// The shipped pipeline, on few short rows: the real model, tokenizer, engine and processes, in seconds.
const small = shipped.replace("sample: 2300", "sample: 90").replace("max_length: 128", "max_length: 24")

let place: Place
beforeAll(() => {
  place = makePlace()
})
afterAll(() => place.remove())

const everyStage = [
  "after/metrics",
  "after/predictions",
  "base/base",
  "before/features_fit",
  "before/features_rows",
  "before/hidden_rows",
  "before/metrics",
  "before/predictions",
  "before/rivals",
  "parts/split",
  "reviews/ingest",
  "tokens/tokenize",
  "trainable/freeze",
  "tuned/features_train",
  "tuned/features_validation",
  "tuned/fit",
  "verdict/compare-to-base"
]

describe("the main job", () => {
  it("runs every stage once, then none", async () => {
    place.write("sentiment.yaml", small)
    const first = await place.run("sentiment.yaml")
    expect(first.code).toBe(0)
    // The rivals of `after` have nothing to fit on: an empty table, made too.
    expect(first.stages.filter((stage) => stage !== "after/rivals")).toEqual(everyStage)
    const again = await place.run("sentiment.yaml")
    expect(again.stages).toEqual([])
    expect(Object.values(again.outcomes).every((outcome) => outcome === "hit")).toBe(true)
  })

  it("ends with the comparison: tuned, probed base, bag of words and majority class on the same rows", async () => {
    const { stdout } = await place.hone("run", "sentiment.yaml")
    for (const text of [
      "the tuned model",
      "the base, probed",
      "bag of words",
      "most frequent class",
      "McNemar",
      "rows fixed"
    ])
      expect(stdout).toContain(text)
    const shown = Schema.decodeUnknownSync(ShowJson)(
      JSON.parse((await place.hone("show", "sentiment.yaml", "verdict", "--json")).stdout)
    )
    const changed = shown.outputs.find(({ name }) => name === "changed")!
    const { broken, fixed } = shown.counts as { broken: number; fixed: number }
    expect(changed.rows).toBe(broken + fixed)
  })

  it("another learning rate trains, evaluates the tuned model and compares; the frozen prefix is not computed again", async () => {
    const { code, stages } = await place.run("sentiment.yaml", "--set", "params.learning_rate=1e-4")
    expect(code).toBe(0)
    expect(stages).toEqual(["after/metrics", "after/predictions", "tuned/fit", "verdict/compare-to-base"])
  })

  it("plan tells what a training will take: as much before its rows are there, and its steps once they are", async () => {
    const predicted = async (...args: ReadonlyArray<string>) => {
      const { stdout } = await place.hone("plan", "sentiment.yaml", "--json", ...args)
      const { steps } = Schema.decodeUnknownSync(PlanJson)(JSON.parse(stdout))
      return steps.find(({ name }) => name === "tuned")!.stages.find(({ name }) => name === "fit")!.predicted
    }
    expect(await predicted()).toBeNull()
    const unseen = await predicted("--set", "reviews.sample=80")
    expect(unseen).toMatchObject({ steps: null, batch: "16 rows of 24 tokens" })
    const known = await predicted("--set", "params.learning_rate=3e-4")
    // 39 rows to train on: three batches in each of two epochs.
    expect(known).toMatchObject({ steps: 6, batch: "16 rows of 24 tokens", flops_per_step: unseen!.flops_per_step })
    expect(known!.peak_memory_bytes / unseen!.peak_memory_bytes).toBeCloseTo(1, 2)
    const { stdout } = await place.hone("plan", "sentiment.yaml", "--set", "params.learning_rate=3e-4")
    expect(stdout).toMatch(/predicted from the graph: tuned: \d+ MB of memory at most; [\d.]+ GFLOP a step/)
  })

  it("another test share runs split and what follows, nothing before", async () => {
    const { stages } = await place.run("sentiment.yaml", "--set", "parts.test=0.35")
    expect(stages).toContain("parts/split")
    expect(stages).toContain("tuned/fit")
    for (const stage of ["reviews/ingest", "base/base", "tokens/tokenize", "trainable/freeze"])
      expect(stages).not.toContain(stage)
  })

  it("another metric predicts nothing again", async () => {
    const { stages } = await place.run("sentiment.yaml", "--set", "after.metrics=[accuracy,mcc]")
    expect(stages).toEqual(["after/metrics", "verdict/compare-to-base"])
  })

  it("a comment runs nothing", async () => {
    place.write("sentiment.yaml", `# a thought\n${small}`)
    expect((await place.run("sentiment.yaml")).stages).toEqual([])
  })

  it("a verdict that fails makes the command exit with 3, and its artifact is there", async () => {
    const set = ["--set", "verdict.verdict={min_delta: 0.99}"]
    const { code, events, outcomes } = await place.run("sentiment.yaml", ...set)
    expect(code).toBe(3)
    expect(events.at(-1)).toMatchObject({ event: "end", ok: true, verdict: "failed" })
    expect(outcomes["verdict"]).toBe("ran")
    const shown = await place.hone("show", "sentiment.yaml", "verdict", ...set)
    expect(shown.stdout).toContain("verdict: failed")
  })

  it("gives the same bytes in another store: same seed, same engine, same machine", async () => {
    const other = makePlace()
    other.write("elsewhere/copy.yaml", small)
    await other.run("elsewhere/copy.yaml")
    const contents = async (where: Place, file: string, step: string) => {
      const events = (await where.run(file)).events
      expect(events.at(-1)).toMatchObject({ ok: true })
      const keys = JSON.parse((await where.hone("plan", file, "--json")).stdout) as {
        steps: ReadonlyArray<{ name: string; key: string }>
      }
      const key = keys.steps.find(({ name }) => name === step)!.key
      const { record } = JSON.parse(readFileSync(join(where.folder, `.hone/ac/${key}.json`), "utf8")) as {
        record: { outputs: Record<string, { content: string }> }
      }
      return Object.fromEntries(Object.entries(record.outputs).map(([name, { content }]) => [name, content]))
    }
    for (const step of ["parts", "tuned", "after", "verdict"]) {
      expect(await contents(other, "elsewhere/copy.yaml", step)).toEqual(await contents(place, "sentiment.yaml", step))
    }
    other.remove()
  })
})
