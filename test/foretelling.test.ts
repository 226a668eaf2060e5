import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expectationOf, neighboursOf } from "@hone/core/plan/Neighbours"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import { expect, it } from "vitest"

const path = fileURLToPath(new URL("golden/quick-start/records.json", import.meta.url))
const { records } = JSON.parse(readFileSync(path, "utf8")) as { records: ReadonlyArray<ActionRecord> }

/** What takes less is told by the machine's mood, not by the work. */
const SECONDS = 1

/** Each record in the order of the runs, beside what the records before it foretold. */
const foretold = records.map((record, at) => {
  const before = records.slice(0, at).filter(({ preimage }) => preimage.step.kind === record.preimage.step.kind)
  return { record, expected: expectationOf(neighboursOf(record.preimage, before)) }
})

const within2 = (predicted: number, actual: number) => predicted < 2 * actual && actual < 2 * predicted

it("time and memory of the quick start's stages are foretold within a factor of two by the runs before", () => {
  const known = foretold.filter(({ expected, record }) => expected !== undefined && record.seconds > SECONDS)
  const said = known.map(({ expected, record }) => ({
    kind: record.preimage.step.kind,
    time: within2(expected!.seconds.median, record.seconds),
    memory: within2(expected!.peak_memory_bytes!, record.peak_rss_bytes!)
  }))
  expect(said.map(({ kind }) => kind).sort()).toEqual([
    "compare-to-base",
    "compare-to-base",
    "evaluate/predictions",
    "evaluate/predictions",
    "train/fit",
    "train/fit"
  ])
  // The first comparison ran in a worker of its own, the others in one that had trained: its memory says nothing of theirs.
  expect(said.filter(({ kind, memory, time }) => !time || (!memory && kind !== "compare-to-base"))).toEqual([])
})

it("a training after another rate is one edit away, and its nearest is the last", () => {
  const fits = foretold.filter(({ record }) => record.preimage.step.kind === "train/fit")
  expect(fits.map(({ expected }) => expected?.edits)).toEqual([undefined, 1, 1])
})
