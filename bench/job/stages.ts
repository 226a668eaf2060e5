import type { ActionRecord } from "@hone/core/record/ActionRecord"

/** When one stage ran, in seconds since the run began, and how much of that it spent in the engine. */
export interface StageTime {
  readonly name: string
  readonly start: number
  readonly seconds: number
  /** Null where the stage computes no tensors. */
  readonly engine_seconds: number | null
}

/** The stage's kind, and which of its inputs it was, where a kind has several: `features (features_train)`. */
const nameOf = ({ outputs, preimage }: ActionRecord): string => {
  const { kind } = preimage.step
  return kind === "features" ? Object.keys(outputs).join() : kind
}

/** @param began milliseconds since 1970 */
export const stageTimes = (records: ReadonlyArray<ActionRecord>, began: number): ReadonlyArray<StageTime> =>
  records
    .map((record) => ({
      name: nameOf(record),
      start: (Date.parse(record.finished_at) - began) / 1000 - record.seconds,
      seconds: record.seconds,
      engine_seconds: typeof record.counts["engine_seconds"] === "number" ? record.counts["engine_seconds"] : null
    }))
    .sort((a, b) => a.start - b.start)

/** Seconds in which at least one of the stages ran. */
export const covered = (stages: ReadonlyArray<Pick<StageTime, "start" | "seconds">>): number => {
  let until = 0
  let sum = 0
  for (const { seconds, start } of [...stages].sort((a, b) => a.start - b.start)) {
    sum += Math.max(0, start + seconds - Math.max(start, until))
    until = Math.max(until, start + seconds)
  }
  return sum
}
