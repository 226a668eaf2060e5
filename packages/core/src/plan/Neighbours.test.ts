import { assert, describe, it } from "@effect/vitest"
import type { ActionRecord, Preimage } from "../record/ActionRecord.ts"
import { expectationOf, neighboursOf } from "./Neighbours.ts"

const preimage = (params: Record<string, unknown>, inputs: Record<string, string> = {}): Preimage => ({
  step: { kind: "fit", version: 1, implementation: "code" },
  params,
  inputs
})

const record = (of: Preimage, seconds: number, more: Partial<ActionRecord> = {}): ActionRecord => ({
  version: 1,
  key: JSON.stringify(of),
  preimage: of,
  outputs: {},
  counts: {},
  warnings: [],
  seconds,
  finished_at: "2026-01-01T00:00:00.000Z",
  host: { node: "", platform: "", cores: 1, engine: "" },
  log: [],
  ...more
})

describe("what earlier results say of a stage", () => {
  const wanted = preimage({ rate: 0.1, epochs: 2 }, { rows: "a" })

  it("those with the fewest other fields count, with their spread and their peak", () => {
    const records = [
      record(preimage({ rate: 0.2, epochs: 8 }, { rows: "b" }), 900),
      record(preimage({ rate: 0.2, epochs: 2 }, { rows: "a" }), 40, { peak_rss_bytes: 5 }),
      record(preimage({ rate: 0.3, epochs: 2 }, { rows: "a" }), 60, { peak_rss_bytes: 7 })
    ]
    assert.deepStrictEqual(expectationOf(neighboursOf(wanted, records)), {
      seconds: { median: 50, least: 40, most: 60 },
      peak_memory_bytes: 7,
      runs: 2,
      edits: 1
    })
  })

  it("among equals the newest is named, and the fields say what is other", () => {
    const older = record(preimage({ rate: 0.2, epochs: 2 }, { rows: "a" }), 1)
    const newer = record(preimage({ rate: 0.3, epochs: 2 }, { rows: "a" }), 1, {
      finished_at: "2026-01-02T00:00:00.000Z"
    })
    const [nearest] = neighboursOf(wanted, [older, newer])
    assert.strictEqual(nearest!.record, newer)
    assert.deepStrictEqual(nearest!.changes, [{ field: "params.rate", before: 0.3, after: 0.1 }])
  })

  it("an input that is not known yet parts nothing", () => {
    const [nearest] = neighboursOf(preimage({ rate: 0.1, epochs: 2 }, { rows: "" }), [record(wanted, 1)])
    assert.deepStrictEqual(nearest!.changes, [])
  })

  it("time is told for as much as there is to do now: epochs and size, but for what a start takes", () => {
    const of = (work: ActionRecord["work"]) =>
      neighboursOf(wanted, [record(wanted, 11, work === undefined ? {} : { work })])
    const median = (then: ActionRecord["work"], now: ActionRecord["work"]) =>
      expectationOf(of(then), now)?.seconds.median
    assert.strictEqual(median({ passes: 2, size: 100 }, { passes: 4, size: 100 }), 21)
    assert.strictEqual(median({ passes: 2, size: 100 }, { passes: 1, size: 400 }), 21)
    // What is not known of either counts as equal.
    assert.strictEqual(median({ passes: 2, size: 100 }, { passes: 4, size: null }), 21)
    assert.strictEqual(median({ passes: 2, size: 100 }, undefined), 11)
    assert.strictEqual(median(undefined, { passes: 2, size: 100 }), 11)
  })

  it("nothing is expected where nothing is known", () => {
    assert.isUndefined(expectationOf(neighboursOf(wanted, [])))
  })
})
