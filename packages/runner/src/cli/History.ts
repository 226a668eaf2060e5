import type { Expectation, Neighbour } from "@hone/core/plan/Neighbours"
import { expectationOf, neighboursOf } from "@hone/core/plan/Neighbours"
import type { Plan, PlannedStage } from "@hone/core/plan/Plan"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import { ActionRecords } from "@hone/core/Services"
import { Effect } from "effect"
import { bytes, duration } from "./Output.ts"

/** What earlier results of its kind say of a stage that has to run, or may. */
export interface StageHistory {
  readonly step: string
  readonly stage: string
  readonly nearest: Neighbour
  readonly expected: Expectation
}

/** Stages that are looked into: of thousands that have never run, the first ones tell enough, and a plan is to be quick. */
const looked = 100

const hasToRun = ({ verdict }: PlannedStage) => verdict === "run" || verdict === "maybe"

/** Reads the records of each kind of stage that has to run, once. */
export const historyOf = Effect.fn("history")(function* (plan: Plan) {
  const records = yield* ActionRecords
  const byKind = new Map<string, ReadonlyArray<ActionRecord>>()
  const found: Array<StageHistory> = []
  const running = plan.steps.flatMap((step) => step.stages.filter(hasToRun).map((stage) => ({ step, stage })))
  for (const { stage, step } of running.slice(0, looked)) {
    const known = byKind.get(stage.identity) ?? (yield* records.ofKind(stage.identity))
    byKind.set(stage.identity, known)
    const neighbours = neighboursOf(stage.preimage, known)
    const expected = expectationOf(neighbours, stage.work)
    if (expected !== undefined) found.push({ step: step.name, stage: stage.name, nearest: neighbours[0]!, expected })
  }
  return found as ReadonlyArray<StageHistory>
})

/** "41 s", or with its spread "41 s (38 to 52 s)". */
const spread = (median: number, least: number, most: number): string =>
  duration(least) === duration(most)
    ? duration(median)
    : `${duration(median)} (${duration(least)} to ${duration(most)})`

/**
 * What the stages that run are expected to take together, one after the other, and the most memory that one of them takes, by the results
 * that were made most like them. Those that only may run are left out.
 */
export const renderHistory = (plan: Plan, history: ReadonlyArray<StageHistory>): string => {
  const running = plan.steps.flatMap((step) =>
    step.stages.filter(({ verdict }) => verdict === "run").map(({ name }) => ({ step: step.name, stage: name }))
  )
  const known = running.flatMap(
    ({ stage, step }) => history.find((one) => one.step === step && one.stage === stage) ?? []
  )
  if (known.length === 0) return ""
  const sum = (of: "median" | "least" | "most") =>
    known.reduce((total, { expected }) => total + expected.seconds[of], 0)
  const peaks = known.flatMap(({ expected }) => expected.peak_memory_bytes ?? [])
  const unseen = running.length - known.length
  return [
    `; by earlier runs ${spread(sum("median"), sum("least"), sum("most"))}`,
    peaks.length === 0 ? "" : `, ${bytes(Math.max(...peaks))} of memory at most`,
    unseen === 0 ? "" : ` (nothing is known of ${unseen} stages)`
  ].join("")
}

const minute = 60_000
const day = 24 * 60 * minute

/** "12 minutes ago", "yesterday": of an ISO 8601 time. */
const ago = (finished_at: string, now: number): string => {
  const millis = now - Date.parse(finished_at)
  if (millis < minute) return "just now"
  if (millis < 2 * minute) return "a minute ago"
  if (millis < 60 * minute) return `${Math.floor(millis / minute)} minutes ago`
  if (millis < 2 * 60 * minute) return "an hour ago"
  if (millis < day) return `${Math.floor(millis / (60 * minute))} hours ago`
  return millis < 2 * day ? "yesterday" : `${Math.floor(millis / day)} days ago`
}

/** "one edit away (learning_rate: 0.0002 -> 0.0001) is a result made yesterday in 41 s"; of none away, that nothing known parts it. */
export const tellNearest = (
  { changes, record }: Neighbour,
  describe: (changes: Neighbour["changes"]) => string,
  now: number
): string => {
  const made = `a result made ${ago(record.finished_at, now)} in ${duration(record.seconds)}`
  // Its key is of inputs that are still to be made, or the result was damaged.
  if (changes.length === 0) return `nothing that is known yet parts it from ${made}`
  const edits = changes.length === 1 ? "one edit" : `${changes.length} edits`
  return `${edits} away (${describe(changes)}) is ${made}`
}
