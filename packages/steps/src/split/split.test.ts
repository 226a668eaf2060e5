import { assert, it } from "@effect/vitest"
import type { InputArtifact, StageError } from "@hone/core/Stage"
import { Effect } from "effect"
import * as fc from "fast-check"
import { afterAll, beforeAll, describe, expect } from "vitest"
import { int32, labelDictionary, labels, listInt32, offsetsOf, utf8 } from "../arrow/columns.ts"
import * as reader from "../arrow/reader.ts"
import { writeTable } from "../arrow/writer.ts"
import { type Bench, folderIn, keep, makeBench, runStage } from "../testing/context.ts"
import { split } from "./index.ts"
import { assignSides, findLeaks, plainText, TEST, TRAIN, VALIDATION } from "./split.ts"

const id = fc.tuple(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 1, max: 3 }))
const ids = fc
  .uniqueArray(id, { minLength: 1, maxLength: 120, selector: String })
  .map((pairs) => pairs.map(([input, n]) => (n === 1 ? `input-${input}` : `input-${input}#${n}`)))
const shares = fc.constantFrom(
  { test: 0.3, validation: 0.2 },
  { test: { count: 5 }, validation: 0 },
  { test: { count: 3 }, validation: { count: 4 } },
  { test: 0.25, validation: { count: 2 } }
)
const stratumOf = (row_id: string): string => (Number(row_id.match(/\d+/)![0]) % 3 === 0 ? "rare" : "common")
const isStratified = fc.boolean()

const sidesOf = (
  row_ids: ReadonlyArray<string>,
  share: Parameters<typeof assignSides>[1],
  stratified: boolean,
  seed = 7
) => {
  const { sides } = assignSides({ row_ids, ...(stratified ? { strata: row_ids.map(stratumOf) } : {}) }, share, seed)
  return new Map(row_ids.map((row_id, row) => [row_id, sides[row]!]))
}

describe("a row's side", () => {
  it("does not hang on the order of the rows, and is the same for equal inputs", () => {
    fc.assert(
      fc.property(ids, shares, isStratified, fc.nat(), (row_ids, share, stratified, turn) => {
        const sides = sidesOf(row_ids, share, stratified)
        const turned = [...row_ids.slice(turn % row_ids.length), ...row_ids.slice(0, turn % row_ids.length)].reverse()
        assert.deepStrictEqual([...sidesOf(turned, share, stratified)].sort(), [...sides].sort())
        for (const [row_id, side] of sides) {
          const twin = sides.get(row_id.split("#")[0]!)
          if (twin !== undefined) assert.strictEqual(side, twin)
        }
      })
    )
  })

  it("hangs on no other row where shares are fractions without strata", () => {
    fc.assert(
      fc.property(ids, (row_ids) => {
        const whole = sidesOf(row_ids, { test: 0.3, validation: 0.2 }, false)
        for (const row_id of row_ids) {
          assert.strictEqual(sidesOf([row_id], { test: 0.3, validation: 0.2 }, false).get(row_id), whole.get(row_id))
        }
      })
    )
  })

  it("moves for few rows when one is added: one at each border of a stratum", () => {
    const simple = fc.uniqueArray(fc.integer({ min: 0, max: 5000 }), { minLength: 20, maxLength: 200 })
    fc.assert(
      fc.property(simple, shares, isStratified, (numbers, share, stratified) => {
        const row_ids = numbers.map((number) => `input-${number}`)
        const before = sidesOf(row_ids.slice(1), share, stratified)
        const after = sidesOf(row_ids, share, stratified)
        const moved = [...before].filter(([row_id, side]) => after.get(row_id) !== side)
        // Two borders in each of two strata, and a count shared anew between them moves one row of each.
        assert.isAtMost(moved.length, stratified ? 8 : 2)
      })
    )
  })

  it("gives counts exactly, and strata their shares", () => {
    fc.assert(
      fc.property(fc.integer({ min: 30, max: 300 }), fc.integer({ min: 1, max: 10 }), fc.nat(), (rows, count, seed) => {
        const row_ids = Array.from({ length: rows }, (_, at) => `input-${at}`)
        const counted = [
          ...sidesOf(row_ids, { test: { count }, validation: { count: 2 * count } }, true, seed).values()
        ]
        assert.strictEqual(counted.filter((side) => side === TEST).length, count)
        assert.strictEqual(counted.filter((side) => side === VALIDATION).length, 2 * count)
        const shared = sidesOf(row_ids, { test: 0.4, validation: 0 }, true, seed)
        for (const stratum of ["rare", "common"]) {
          const members = row_ids.filter((row_id) => stratumOf(row_id) === stratum)
          const tested = members.filter((row_id) => shared.get(row_id) === TEST)
          assert.strictEqual(tested.length, Math.round(0.4 * members.length))
        }
      })
    )
  })

  it("has shares near the fractions, other ones for another seed, and none that favours a kind of id", () => {
    const row_ids = Array.from({ length: 20_000 }, (_, at) => `input-${at}`)
    const sides = sidesOf(row_ids, { test: 0.3, validation: 0.2 }, false)
    const share = (side: number) => [...sides.values()].filter((of) => of === side).length / row_ids.length
    expect(share(TEST)).toBeCloseTo(0.3, 1)
    expect(share(VALIDATION)).toBeCloseTo(0.2, 1)
    expect(share(TRAIN)).toBeCloseTo(0.5, 1)
    const others = sidesOf(row_ids, { test: 0.3, validation: 0.2 }, false, 8)
    const same = row_ids.filter((row_id) => sides.get(row_id) === others.get(row_id)).length / row_ids.length
    expect(same, "0.3² + 0.2² + 0.5²").toBeCloseTo(0.38, 1)
  })

  it("is the group's where rows are grouped", () => {
    fc.assert(
      fc.property(ids, shares, isStratified, (row_ids, share, stratified) => {
        const groups = row_ids.map((_, row) => `group-${row % 7}`)
        const { sides } = assignSides(
          { row_ids, groups, ...(stratified ? { strata: row_ids.map(stratumOf) } : {}) },
          share,
          7
        )
        row_ids.forEach((_, row) => assert.strictEqual(sides[row], sides[row % 7]))
      })
    )
  })
})

describe("leaks", () => {
  it("are texts that differ in case, spacing or punctuation alone, on the side that gives way", () => {
    expect(plainText("  A Film, to\tremember! ")).toBe("a film to remember")
    const texts = ["A film.", "a film", "A FILM", "other", "!!", "??"]
    expect(findLeaks(texts, Uint8Array.of(TRAIN, VALIDATION, TEST, TRAIN, TRAIN, TEST))).toEqual([0, 1])
    expect(findLeaks(texts, Uint8Array.of(TRAIN, TRAIN, TRAIN, TEST, TEST, TEST))).toEqual([])
  })
})

describe("split", () => {
  let bench: Bench
  beforeAll(() => void (bench = makeBench()))
  afterAll(() => bench.dispose())

  let tables = 0
  const tokensOf = (texts: ReadonlyArray<string>): InputArtifact => {
    const folder = folderIn(bench, `tokens-${tables++}`)
    const offsets = offsetsOf(texts.map((_, row) => 1 + (row % 3)))
    const columns = {
      row_id: utf8(texts.map((_, row) => `row-${row}`)),
      text: utf8(texts),
      label: labels(
        new Int32Array(texts.length).map((_, row) => row % 2),
        labelDictionary(["yes", "no", "unused"])
      ),
      input_ids: listInt32(
        new Int32Array(offsets.at(-1)!).map((_, at) => at),
        offsets
      ),
      length: int32(Int32Array.from(texts, (_, row) => 1 + (row % 3)))
    }
    const facts = { rows: texts.length, task: "text-classification", labels: ["no", "unused", "yes"], max_length: 3 }
    return keep(
      bench,
      folder,
      writeTable(folder, "tokens.arrow", columns, { facts, views: { inputs: ["row_id", "input_ids"] } })
    )
  }
  const texts = Array.from({ length: 100 }, (_, row) => `text number ${row}`)

  it.effect("gives every row to one part, with its columns, and facts of its own", () =>
    Effect.gen(function* () {
      const rows = tokensOf(texts)
      const outcome = yield* runStage(bench, split, {
        with: { validation: 0.1, test: 0.4, stratify_by: "label" },
        inputs: { rows },
        seed: 7
      })
      const source = reader.readTable(rows)
      const [ids, lists, label] = [
        reader.strings(source, "row_id"),
        reader.int32Lists(source, "input_ids"),
        reader.labelColumn(source, "label")
      ]
      const seen = ["train", "validation", "test"].flatMap((part) => {
        const table = reader.readTable(outcome.outputs[part]!)
        const own = reader.labelColumn(table, "label")
        expect(own.names).toEqual(label.names)
        reader.strings(table, "row_id").forEach((row_id, at) => {
          const row = ids.indexOf(row_id)
          expect([...reader.int32Lists(table, "input_ids")[at]!]).toEqual([...lists[row]!])
          expect(own.indices[at]).toBe(label.indices[row])
          expect(reader.strings(table, "text")[at]).toBe(texts[row])
        })
        expect(outcome.outputs[part]!.facts["tokens"]).toBe(
          reader.int32s(table, "length").reduce((sum, length) => sum + length, 0)
        )
        return reader.strings(table, "row_id")
      })
      expect(seen.toSorted()).toEqual(ids.toSorted())
      expect(outcome.counts).toEqual({
        rows_in: 100,
        train: 50,
        validation: 10,
        test: 40,
        leaks: 0,
        near_duplicates: 0,
        dropped_leaks: 0
      })
      expect(outcome.outputs["test"]!.facts).toMatchObject({
        rows: 40,
        labels: ["no", "unused", "yes"],
        counts: { no: 20, unused: 0, yes: 20 }
      })
      expect(outcome.reported["test"]!.views["inputs"]).toMatch(/^[0-9a-f]{64}$/)
    })
  )

  it.effect("yields an empty validation part with the same columns where none is asked for", () =>
    Effect.gen(function* () {
      const outcome = yield* runStage(bench, split, {
        with: { test: { count: 10 } },
        inputs: { rows: tokensOf(texts) },
        seed: 1
      })
      const table = reader.readTable(outcome.outputs["validation"]!)
      expect([table.numRows, table.schema.names]).toEqual([0, ["row_id", "text", "label", "input_ids", "length"]])
      expect(outcome.counts).toMatchObject({ train: 90, test: 10 })
    })
  )

  it.effect("fails on leaks, drops them from train, or keeps them and says so", () =>
    Effect.gen(function* () {
      const rows = tokensOf([...texts, ...texts.map((text) => text.toUpperCase())])
      const run = (on_leakage: string) =>
        runStage(bench, split, { with: { test: 0.5, on_leakage }, inputs: { rows }, seed: 7 })
      const error = (yield* Effect.flip(run("fail"))) as StageError
      expect(error.code).toBe("leakage")
      const dropped = yield* run("drop")
      const kept = yield* run("keep")
      expect(dropped.counts["leaks"]).toBe(dropped.counts["dropped_leaks"])
      expect(dropped.counts["test"]).toBe(kept.counts["test"])
      expect(dropped.counts["train"]).toBe((kept.counts["train"] as number) - (kept.counts["leaks"] as number))
      expect(kept.warnings).toHaveLength(1)
    })
  )

  it.effect("refuses parts without rows", () =>
    Effect.gen(function* () {
      const few = runStage(bench, split, { with: { test: { count: 3 } }, inputs: { rows: tokensOf(["a", "b", "c"]) } })
      expect(((yield* Effect.flip(few)) as StageError).code).toBe("too_few_rows")
      const tiny = runStage(bench, split, {
        with: { test: 0.01, stratify_by: "label" },
        inputs: { rows: tokensOf(["a", "b", "c"]) }
      })
      expect(((yield* Effect.flip(tiny)) as StageError).message).toBe("no row falls to test")
    })
  )

  it("finds shares and columns that cannot be, before anything runs", () => {
    const rows = {
      kind: "rows",
      columns: { row_id: { type: "utf8", nullable: false }, label: { type: "dictionary", nullable: false } }
    } as const
    const faults = (params: object) =>
      split.types({
        params: { test: 0, validation: 0, on_leakage: "fail", ...params } as never,
        inputs: { rows },
        heads: {}
      }).faults
    expect(faults({}).map(({ message }) => message)).toEqual([
      "neither validation nor test takes a share: nothing is split"
    ])
    expect(faults({ test: 0.6, validation: 0.4 })[0]!.path).toEqual(["with", "test"])
    expect(faults({ test: 0.5, stratify_by: "lable" })[0]).toEqual({
      path: ["with", "stratify_by"],
      message: 'no column "lable"',
      hint: "did you mean `label`?"
    })
    expect(faults({ test: 0.5, stratify_by: "row_id" })[0]!.message).toBe(
      'stratify_by takes a column of classes, and "row_id" holds texts'
    )
    expect(faults({ test: 0.5, stratify_by: "label" })).toEqual([])
  })
})
