import { PipelineFaults } from "@hone/core/Fault"
import { decodePipeline } from "@hone/core/file/Decode"
import { describe, expect, it } from "vitest"
import { registry } from "../registry.ts"
import { guessShape, taggedTokens, writtenGuess } from "./guess.ts"
import { proposedPipeline } from "./proposal.ts"

const rows = (count: number, row: (at: number) => Record<string, unknown>) =>
  Array.from({ length: count }, (_, at) => row(at))
const text = (at: number) => `this is the text of row ${at}`

const cases: ReadonlyArray<readonly [string, ReadonlyArray<Record<string, unknown>>, string]> = [
  ["usual names", rows(4, (at) => ({ text: text(at), label: at % 2 })), "task: text-classification"],
  [
    "names of its own",
    rows(40, (at) => ({ id: `r${at}`, "what they said": text(at), team: ["a", "b", "c"][at % 3] })),
    'task: text-classification, columns: { text: "what they said", label: team }'
  ],
  [
    "a measure",
    rows(9, (at) => ({ sentence: text(at), score: at / 4 })),
    "task: text-regression, columns: { text: sentence, label: score }"
  ],
  [
    "a measure in a CSV",
    rows(9, (at) => ({ text: text(at), rating: String(at / 4) })),
    "task: text-regression, columns: { label: rating }"
  ],
  [
    "stars are classes",
    rows(50, (at) => ({ review: text(at), rating: 1 + (at % 5) })),
    "task: text-classification, columns: { text: review, label: rating }"
  ],
  [
    "lists of labels",
    rows(4, (at) => ({ text: text(at), labels: ["a", "b"].slice(at % 2) })),
    "task: multi-label-classification, columns: { label: labels }"
  ],
  [
    "columns of true and false",
    rows(4, (at) => ({ comment: text(at), toxic: at % 2, insult: 0 })),
    "task: multi-label-classification, columns: { text: comment, label: [toxic, insult] }"
  ],
  [
    "a pair",
    rows(4, (at) => ({ premise: text(at), hypothesis: text(at + 9), label: at % 3 })),
    "task: pair-classification, columns: { text_a: premise, text_b: hypothesis }"
  ],
  [
    "question and answer",
    rows(4, (at) => ({ instruction: text(at), output: "yes" })),
    "task: text-to-text, columns: { input: instruction }"
  ],
  ["a conversation", rows(4, (at) => ({ id: at, messages: [{ role: "user", content: text(at) }] })), "task: chat"],
  [
    "names of which one is a number, beside longer words that come again",
    rows(40, (at) => ({
      Film: at === 7 ? 300 : `f ${at}`,
      Origin: ["based on a book of stories", "original screenplay"][at % 2],
      Kind: ["a", "b", "c", "d"][at % 4]
    })),
    "task: text-classification, columns: { text: Film, label: Origin }"
  ],
  [
    "lists of labels, of which the one with a usual name is taken",
    rows(4, (at) => ({ body: text(at), places: [["usa"], ["uk", "usa"]][at % 2], topics: [["grain"], []][at % 2] })),
    "task: multi-label-classification, columns: { text: body, label: topics }"
  ],
  ["text alone", rows(4, (at) => ({ text: text(at) })), "task: unlabelled-text"]
]

describe("a source is told by the names and content of its columns", () => {
  it.each(cases)("%s", (_, rows, expected) => {
    const guess = guessShape(Object.keys(rows[0]!), rows)!
    expect(writtenGuess(guess)).toBe(expected)
    const pipeline = decodePipeline(
      {
        file: "p.yaml",
        text: proposedPipeline("some data/rows.csv", guess, {}),
        sets: [],
        env: {},
        readInclude: () => ({ problem: "" })
      },
      registry
    )
    expect(pipeline instanceof PipelineFaults ? pipeline.message : "").toBe("")
  })

  it("a tag for each token is seen, and taken for no list of labels of a row", () => {
    const tagged = rows(4, (at) => ({
      id: `row ${at}`,
      tokens: ["Ada", "lives", "here"].slice(at % 2),
      ner_tags: [1, 0, 0].slice(at % 2)
    }))
    expect(taggedTokens(Object.keys(tagged[0]!), tagged)).toEqual({ tokens: "tokens", tags: "ner_tags" })
    expect(guessShape(Object.keys(tagged[0]!), tagged)).toBeUndefined()
    const inCsv = tagged.map((row) => ({ words: JSON.stringify(row.tokens), tags: JSON.stringify(row.ner_tags) }))
    expect(taggedTokens(["words", "tags"], inCsv)).toEqual({ tokens: "words", tags: "tags" })
    const labels = rows(4, (at) => ({ text: text(at), tokens: ["a", "b"], labels: ["x"] }))
    expect(taggedTokens(Object.keys(labels[0]!), labels)).toBeUndefined()
  })

  it("numbers alone are nothing to read", () => {
    expect(guessShape(["a", "b"], [{ a: 1, b: 2 }])).toBeUndefined()
  })
})
