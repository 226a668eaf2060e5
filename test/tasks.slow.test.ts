import { ShowJson } from "@hone/core/Contract"
import { Schema } from "effect"
import { afterAll, beforeAll, expect, it } from "vitest"
import type { Place } from "./support/hone.ts"
import { makePlace } from "./support/hone.ts"

// Real model, tokenizer, engine and processes on a few short rows of each task: what is learned is easy, what is checked is that all fits.

let place: Place
beforeAll(() => {
  place = makePlace()
})
afterAll(() => place.remove())

const things = ["tram", "soup", "novel", "garden", "jacket", "concert", "printer", "lake"]
const opinions = ["wonderful", "splendid", "dreadful", "miserable"]
const sentences = things.flatMap((thing) => opinions.map((opinion) => ({ thing, opinion })))
const isGood = (opinion: string) => opinions.indexOf(opinion) < 2

/** A pipeline over rows.jsonl; `%` stands for what a task wants of it. */
const pipeline = (ingest: string, train = "") => `
name: task
seed: 3
steps:
  rows:      { uses: ingest, with: { source: rows.jsonl, ${ingest} } }
  base:      { uses: base, with: { model: minilm-l6 } }
  tokens:    { uses: tokenize, in: { rows: rows, tokenizer: base.tokenizer }, with: { max_length: 24 } }
  parts:     { uses: split, in: { rows: tokens }, with: { validation: 0.2, test: 0.3 } }
  trainable: { uses: freeze, in: { model: base.model }, with: { strategy: { partial: { last_blocks: 1 } } } }
  tuned:     { uses: train, in: { model: trainable, train: parts.train, validation: parts.validation }, with: { epochs: 2, batch_size: 8, ${train} } }
  before:    { uses: evaluate, in: { model: trainable, rows: parts.test, fit: parts.train } }
  after:     { uses: evaluate, in: { model: tuned, rows: parts.test } }
  verdict:   { uses: compare-to-base, in: { base: before, tuned: after }, with: { resamples: 200 } }
`

const rowsOf = (folder: string, rows: ReadonlyArray<object>) =>
  place.write(`${folder}/rows.jsonl`, rows.map((row) => JSON.stringify(row)).join("\n"))

const metricsOf = async (file: string, step: string) => {
  const shown = await place.hone("show", file, step, "--json")
  return Schema.decodeUnknownSync(ShowJson)(JSON.parse(shown.stdout))
}

it("numbers", async () => {
  rowsOf(
    "numbers",
    sentences.map(({ opinion, thing }) => ({ text: `the ${thing} was ${opinion}`, score: isGood(opinion) ? 450 : 120 }))
  )
  place.write("numbers/p.yaml", pipeline("task: text-regression, columns: { text: text, label: score }"))
  expect((await place.run("numbers/p.yaml")).outcomes["verdict"]).toBe("ran")
  const { stdout } = await place.hone("run", "numbers/p.yaml")
  for (const text of ["mean abs. error", "Pearson", "always the mean of the training rows"])
    expect(stdout).toContain(text)
  expect((await metricsOf("numbers/p.yaml", "after")).outputs.map(({ name }) => name)).toContain("predictions")
})

it("several labels", async () => {
  rowsOf(
    "several",
    sentences.map(({ opinion, thing }) => ({
      text: `the ${thing} was ${opinion}`,
      tags: [...(isGood(opinion) ? ["good"] : []), ...(thing < "l" ? ["early"] : [])]
    }))
  )
  const wanted = "task: multi-label-classification, columns: { text: text, label: tags }"
  place.write("several/p.yaml", pipeline(wanted, "class_weights: balanced"))
  expect((await place.run("several/p.yaml")).outcomes["verdict"]).toBe("ran")
  expect((await place.hone("run", "several/p.yaml")).stdout).toContain("all labels right")
})

it("pairs", async () => {
  rowsOf(
    "pairs",
    sentences.map(({ opinion, thing }, row) => ({
      first: `the ${thing} was ${opinion}`,
      second: `people said it was ${row % 3 === 0 ? opinion : "unremarkable"}`,
      same: row % 3 === 0 ? "yes" : "no"
    }))
  )
  const wanted = "task: pair-classification, columns: { text_a: first, text_b: second, label: same }"
  place.write("pairs/p.yaml", pipeline(wanted, "label_smoothing: 0.1, sampling: balanced, layer_decay: 0.9"))
  expect((await place.run("pairs/p.yaml")).outcomes["verdict"]).toBe("ran")
  expect((await place.hone("run", "pairs/p.yaml")).stdout).toContain("McNemar")
})

it("continued pre-training on texts without labels, then classification from it", async () => {
  const opinion = sentences.map(({ opinion, thing }) => ({
    text: `the ${thing} was ${opinion}`,
    label: isGood(opinion) ? "good" : "bad"
  }))
  rowsOf("domain", opinion)
  const classify = pipeline("task: text-classification, columns: { text: text, label: label }")
  const domain = `
  texts:     { uses: ingest, with: { source: rows.jsonl, task: unlabelled-text, columns: { text: text } } }
  words:     { uses: tokenize, in: { rows: texts, tokenizer: base.tokenizer }, with: { max_length: 24 } }
  adapted:   { uses: train, in: { model: base.model, train: words, tokenizer: base.tokenizer }, with: { objective: mlm, epochs: 1, batch_size: 8 } }
`
  place.write(
    "domain/p.yaml",
    classify.replace("freeze, in: { model: base.model }", "freeze, in: { model: adapted }") + domain
  )
  expect((await place.run("domain/p.yaml")).outcomes["verdict"]).toBe("ran")
  const again = await place.run("domain/p.yaml", "--set", "adapted.mlm_probability=0.5")
  expect(again.stages).toContain("adapted/fit")
  expect(again.stages).toContain("tuned/fit")
  expect(again.stages).not.toContain("parts/split")
})

it("a loss that the task does not have is a fault, at its place, before anything runs", async () => {
  const wanted = "task: text-regression, columns: { text: text, label: score }"
  place.write("numbers/wrong.yaml", pipeline(wanted, "label_smoothing: 0.1"))
  const { code, stderr } = await place.hone("plan", "numbers/wrong.yaml")
  expect(code).toBe(2)
  expect(stderr).toContain("label_smoothing is for rows of one class each")
})
