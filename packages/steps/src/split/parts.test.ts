import { it } from "@effect/vitest"
import type { InputArtifact, StageError } from "@hone/core/Stage"
import { Effect, Schema } from "effect"
import { afterAll, beforeAll, describe, expect } from "vitest"
import { float64, labelDictionary, labels, listUtf8, nullableUtf8, utf8 } from "../arrow/columns.ts"
import * as reader from "../arrow/reader.ts"
import { writeTable } from "../arrow/writer.ts"
import { type Bench, folderIn, keep, makeBench, runStage } from "../testing/context.ts"
import { split } from "./index.ts"
import { findNearDuplicates } from "./nearDuplicates.ts"
import { SplitParams } from "./params.ts"
import { TEST, TRAIN } from "./split.ts"

let bench: Bench
beforeAll(() => void (bench = makeBench()))
afterAll(() => bench.dispose())

let made = 0
const COUNT = 60
const names = ["train", "TRAIN", "dev", "test"]
const rowsOf = (
  texts: ReadonlyArray<string> = Array.from({ length: COUNT }, (_, at) => `text ${at}`)
): InputArtifact => {
  const folder = folderIn(bench, `rows-${made++}`)
  const columns = {
    row_id: utf8(texts.map((_, at) => `${String(at).padStart(24, "0")}`)),
    text: utf8(texts),
    label: labels(
      Int32Array.from(texts, (_, at) => at % 2),
      labelDictionary(["no", "yes"])
    ),
    part: nullableUtf8(texts.map((_, at) => names[at % 4]!)),
    lang: nullableUtf8(texts.map((_, at) => (at % 3 === 0 ? "de" : "en")))
  }
  return keep(
    bench,
    folder,
    writeTable(folder, "rows.arrow", columns, { facts: { rows: texts.length, labels: ["no", "yes"] } })
  )
}

const run = (params: Record<string, unknown>, rows = rowsOf()) =>
  runStage(bench, split, { with: params, inputs: { rows }, seed: 7 })
type Outcome = Effect.Success<ReturnType<typeof run>>
const numbers = (outcome: Outcome, part: string): ReadonlyArray<number> =>
  reader
    .strings(reader.readTable(outcome.outputs[part]!), "row_id")
    .map(Number)
    .sort((a, b) => a - b)
const failure = <A>(effect: Effect.Effect<A, unknown>) =>
  effect.pipe(
    Effect.flip,
    Effect.map((error) => error as StageError)
  )
const all = Array.from({ length: COUNT }, (_, at) => at)

describe("parts that are given", () => {
  it.effect("by a column, and validation drawn from its train rows where it has none", () =>
    Effect.gen(function* () {
      const outcome = yield* run({ by: "part" })
      expect(numbers(outcome, "test")).toEqual(all.filter((row) => row % 4 === 3))
      expect(numbers(outcome, "validation")).toEqual(all.filter((row) => row % 4 === 2))
      const nested = yield* run({ by: "part", validation: { count: 5 } })
      expect(numbers(nested, "test")).toEqual(numbers(outcome, "test"))
      expect(numbers(nested, "validation").length).toBe(15 + 5)
      expect((yield* failure(run({ by: "lang" }))).message).toBe(
        'column "lang" names parts that are none: "de" (20 rows), "en" (40 rows)'
      )
    })
  )

  it.effect("by an expression and by position, the rest drawn", () =>
    Effect.gen(function* () {
      const outcome = yield* run({
        test: { where: 'lang == "de" and label != "yes"' },
        validation: { count: 10 },
        stratify_by: "label"
      })
      expect(numbers(outcome, "test")).toEqual(all.filter((row) => row % 6 === 0))
      expect([numbers(outcome, "validation").length, numbers(outcome, "train").length]).toEqual([10, 40])
      const placed = yield* run({ test: { rows: "50.." }, validation: { rows: "40..50" } })
      expect([numbers(placed, "validation"), numbers(placed, "test")]).toEqual([all.slice(40, 50), all.slice(50)])
      expect(
        (yield* failure(run({ test: { rows: "0..9" }, validation: { where: 'text == "text 3"' } }))).message
      ).toMatch(/row 3 is meant for test and for another part/)
      expect((yield* failure(run({ test: { where: 'lang == "fr"' } }))).message).toMatch(/no row falls to test/)
    })
  )

  it.effect("folds are disjoint, complete, alike in labels, and each has its own validation", () =>
    Effect.gen(function* () {
      const folds = yield* Effect.forEach([0, 1, 2, 3, 4], (fold) =>
        run({ folds: 5, fold, validation: { count: 6 }, stratify_by: "label" })
      )
      const tests = folds.map((outcome) => numbers(outcome, "test"))
      expect(tests.flat().sort((a, b) => a - b)).toEqual(all)
      for (const [at, outcome] of folds.entries()) {
        expect(tests[at]!.filter((row) => row % 2 === 0).length).toBe(6)
        expect(numbers(outcome, "validation").length).toBe(6)
        expect(new Set([...tests[at]!, ...numbers(outcome, "validation"), ...numbers(outcome, "train")]).size).toBe(
          COUNT
        )
      }
    })
  )

  it("faults are told before anything runs, at their places", () => {
    const faults = (params: object) => {
      const decoded = Schema.decodeUnknownSync(SplitParams as unknown as Schema.Codec<SplitParams>)(params)
      const columns = {
        text: { type: "utf8", nullable: false },
        lang: { type: "utf8", nullable: true },
        input_ids: { type: "list<int32>", nullable: false }
      } as const
      return split
        .types({ params: decoded, heads: {}, inputs: { rows: { kind: "rows", columns } } })
        .faults.map(({ hint, message, path }) => `${path.slice(1).join(".")}: ${message.split("\n")[0]} | ${hint}`)
    }
    expect(faults({ test: { where: "lagn == 'de'" } })).toEqual([
      "test.where: there is no column `lagn`, at character 1 of | did you mean `lang`?"
    ])
    expect(faults({ test: { rows: "9..3" } })).toEqual([
      "test.rows: `9..3` holds no row | the end is not taken: 0..1 is the first row alone"
    ])
    expect(faults({ folds: 5, fold: 5 })).toEqual(["fold: there is no fold 5 of 5 | they are counted from 0: 0 to 4"])
    expect(faults({ folds: 5 })[0]).toMatch(/^folds: `fold` is missing/)
    expect(faults({ folds: 5, fold: 1, test: 0.2 })[0]).toMatch(/^test: the fold is the test part/)
    expect(faults({ by: "lnag" })[0]).toMatch(/^by: no column "lnag" \| did you mean `lang`/)
  })

  it.effect("numbers and sets of labels keep facts of their own in each part", () =>
    Effect.gen(function* () {
      const folder = folderIn(bench, "targets")
      const base = { row_id: utf8(["a", "b", "c", "d"]), text: utf8(["a", "b", "c", "d"]) }
      const measured = keep(
        bench,
        folder,
        writeTable(folder, "m.arrow", { ...base, label: float64(Float64Array.of(1, 2, 3, 5)) }, { facts: { rows: 4 } })
      )
      const outcome = yield* run({ test: { rows: "2.." } }, measured)
      expect(outcome.outputs["test"]!.facts["target"]).toEqual({ mean: 4, sd: 1, min: 3, max: 5 })
      const metadata = { "hone.labels": '["y","x"]' }
      const sets = keep(
        bench,
        folder,
        writeTable(
          folder,
          "s.arrow",
          { ...base, label: listUtf8([["x"], ["x", "y"], [], ["y"]]) },
          { facts: { rows: 4, labels: ["y", "x"] }, metadata }
        )
      )
      const parts = yield* run({ test: { rows: "1..3" } }, sets)
      const test = reader.readTable(parts.outputs["test"]!)
      expect(reader.declaredLabels(test)).toEqual(["y", "x"])
      expect(new Set(reader.textLists(test, "label").map(String))).toEqual(new Set(["x,y", ""]))
      expect(parts.outputs["test"]!.facts["counts"]).toEqual({ y: 1, x: 1 })
    })
  )
})

describe("near duplicates", () => {
  const words = (seed: number, count: number) =>
    Array.from({ length: count }, (_, at) => `w${(seed * 7919 + at * 104_729) % 5003}`)

  it.effect("are counted, dropped from training or refused", () =>
    Effect.gen(function* () {
      const texts = Array.from({ length: 20 }, (_, at) => words(at, 40).join(" "))
      // One word of forty changed: 3 of 38 runs differ, a Jaccard index of 35 / 41.
      const changed = words(3, 40).with(20, "other").join(" ")
      const rows = rowsOf([...texts, changed])
      const test = { rows: "0..5" }
      const counted = yield* run({ test }, rows)
      expect(counted.counts).toMatchObject({ near_duplicates: 1, leaks: 0, dropped_leaks: 0 })
      expect(counted.warnings).toEqual([
        "1 rows are near duplicates of rows on another side; near_duplicates: drop leaves them out"
      ])
      const dropped = yield* run({ test, near_duplicates: "drop" }, rows)
      expect(numbers(dropped, "train")).not.toContain(20)
      expect((yield* failure(run({ test, near_duplicates: "fail" }, rows))).row_ids).toEqual([`${"0".repeat(22)}20`])
      expect((yield* run({ test, near_threshold: 0.9 }, rows)).counts).toMatchObject({ near_duplicates: 0 })
      expect((yield* run({ test, near_duplicates: "ignore" }, rows)).counts).not.toHaveProperty("near_duplicates")
    })
  )

  it("are those that comparing all pairs finds", () => {
    const texts = Array.from({ length: 300 }, (_, at) => {
      const base = words(at % 60, 30)
      for (let edit = 0; edit < Math.floor(at / 60); edit++) base[(edit * 11 + at) % 30] = `x${at}-${edit}`
      return base.join(" ")
    })
    const sides = Uint8Array.from(texts, (_, at) => (at < 60 ? TEST : TRAIN))
    const runs = texts.map(
      (text) =>
        new Set(
          text
            .split(" ")
            .map((_, at, all) => all.slice(at, at + 3).join(" "))
            .slice(0, -2)
        )
    )
    const isNear = (a: ReadonlySet<string>, b: ReadonlySet<string>) => a.intersection(b).size / a.union(b).size >= 0.7
    const expected = texts.flatMap((_, row) =>
      row >= 60 && runs.slice(0, 60).some((other) => isNear(other, runs[row]!)) ? [row] : []
    )
    expect(expected.length).toBeGreaterThan(50)
    expect(findNearDuplicates(texts, sides, 0.7)).toEqual(expected)
  })
})
