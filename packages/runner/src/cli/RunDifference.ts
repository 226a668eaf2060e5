import type { Change } from "@hone/core/plan/Changes"
import { changesBetween, describeChanges } from "@hone/core/plan/Changes"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import type { RunRecord, StageOutcome } from "@hone/core/record/RunRecord"
import { duration, paint, table } from "./Output.ts"

/** A stage that two runs have otherwise: made under other keys, or in one of them alone. */
export interface StageDifference {
  readonly step: string
  readonly stage: string
  readonly keys: readonly [string | null, string | null]
  readonly outcomes: readonly [string, string]
  readonly seconds: readonly [number, number]
  /** Fields of the two preimages; empty where a record is gone or there is no key. */
  readonly changes: ReadonlyArray<Change>
  /** Counts that came out otherwise: rows, metrics. */
  readonly counts: ReadonlyArray<Change>
}

export interface RunDifference {
  readonly sets: readonly [ReadonlyArray<string>, ReadonlyArray<string>]
  readonly ended: readonly [string, string]
  readonly seconds: readonly [number, number]
  readonly stages: ReadonlyArray<StageDifference>
}

const stagesOf = (run: RunRecord): ReadonlyMap<string, StageOutcome> =>
  new Map(run.steps.flatMap((step) => step.stages.map((stage) => [`${step.name}/${stage.stage}`, stage] as const)))

const absent = { key: null, outcome: "absent", seconds: 0 } as const

const countsBetween = (a: ActionRecord, b: ActionRecord): ReadonlyArray<Change> =>
  [...new Set([...Object.keys(a.counts), ...Object.keys(b.counts)])].flatMap((field) => {
    const [before, after] = [a.counts[field], b.counts[field]] as [Change["before"], Change["after"]]
    return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ field, before, after }]
  })

/** What two runs have otherwise; what is equal in both is left out. `recordOf` gives the record of a key, where it is still there. */
export const differenceOfRuns = (
  a: RunRecord,
  b: RunRecord,
  recordOf: (key: string) => ActionRecord | undefined
): RunDifference => {
  const [before, after] = [stagesOf(a), stagesOf(b)]
  const stages = [...new Set([...before.keys(), ...after.keys()])].flatMap((id): ReadonlyArray<StageDifference> => {
    const [one, other] = [before.get(id) ?? absent, after.get(id) ?? absent]
    if (one.key === other.key && (one.key !== null || one.outcome === other.outcome)) return []
    const [first, second] = [one, other].map(({ key }) => (key === null ? undefined : recordOf(key)))
    const both = first !== undefined && second !== undefined
    // A step of a matrix over paths has slashes in its name; a stage has none.
    const slash = id.lastIndexOf("/")
    return [
      {
        step: id.slice(0, slash),
        stage: id.slice(slash + 1),
        keys: [one.key, other.key],
        outcomes: [one.outcome, other.outcome],
        seconds: [one.seconds, other.seconds],
        changes: both ? changesBetween(first.preimage, second.preimage) : [],
        counts: both ? countsBetween(first, second) : []
      }
    ]
  })
  return { sets: [a.sets, b.sets], ended: [a.ended, b.ended], seconds: [a.seconds, b.seconds], stages }
}

const value = (of: unknown): string => {
  const text = of === undefined ? "absent" : JSON.stringify(of)
  return text.length > 40 ? `${text.slice(0, 37)}...` : text
}

const tellStage = ({ changes, counts, outcomes }: StageDifference): string => {
  if (outcomes[0] !== outcomes[1] && changes.length === 0) return `${outcomes[0]} -> ${outcomes[1]}`
  const results = counts.map(({ after, before, field }) => `${field} ${value(before)} -> ${value(after)}`)
  return [describeChanges(changes), ...results].filter((text) => text !== "").join("; ")
}

export const renderRunDifference = (a: RunRecord, b: RunRecord, difference: RunDifference): string => {
  const head = [a, b].map(({ ended, id, seconds, sets }) => [
    paint("bold", id),
    ended,
    duration(seconds),
    paint("dim", sets.map((set) => `--set ${set}`).join(" "))
  ])
  if (difference.stages.length === 0) return `${table(head)}\n\nevery stage has the same result in both`
  const rows = difference.stages.map((one) => [
    one.step === one.stage ? one.step : `${one.step} (${one.stage})`,
    tellStage(one)
  ])
  return `${table(head)}\n\n${table(rows)}`
}
