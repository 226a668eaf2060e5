import type { ActionRecord, Preimage } from "../record/ActionRecord.ts"
import type { Work } from "../Stage.ts"
import type { Change } from "./Changes.ts"
import { changesBetween } from "./Changes.ts"

/** A result of the same kind of stage, and the fields in which it was made otherwise. */
export interface Neighbour {
  readonly record: ActionRecord
  readonly changes: ReadonlyArray<Change>
}

/** An input that is not known yet may come out as it was. */
const isUnknown = ({ after, field }: Change): boolean => field.startsWith("inputs.") && after === ""

/** Records by how few fields part them from a preimage, the newest first among equals. */
export const neighboursOf = (preimage: Preimage, records: ReadonlyArray<ActionRecord>): ReadonlyArray<Neighbour> =>
  records
    .map((record) => ({
      record,
      changes: changesBetween(record.preimage, preimage).filter((change) => !isUnknown(change))
    }))
    .sort((a, b) => a.changes.length - b.changes.length || (a.record.finished_at < b.record.finished_at ? 1 : -1))

/** What a stage is expected to take, by those that were made most like it. */
export interface Expectation {
  readonly seconds: { readonly median: number; readonly least: number; readonly most: number }
  /** Of its process, at most; null where no record tells. */
  readonly peak_memory_bytes: number | null
  /** Results that it is taken from, and the fields that part them from this one. */
  readonly runs: number
  readonly edits: number
}

const counted = 8

const middle = (sorted: ReadonlyArray<number>): number => {
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}

/** A process, its libraries and its engine are there within about this, however much there is to do. */
const STARTUP_SECONDS = 1

/** What a result took, as if it had had this to do. What is not known of either counts as equal. */
const secondsFor = ({ seconds, work: then }: ActionRecord, now: Work | undefined): number => {
  if (then === undefined || now === undefined) return seconds
  const larger = then.size === null || now.size === null || then.size === 0 ? 1 : now.size / then.size
  const startup = Math.min(seconds, STARTUP_SECONDS)
  return startup + (seconds - startup) * larger * (then.passes === 0 ? 1 : now.passes / then.passes)
}

/** The nearest results' time with its spread, for as much as there is to do now, and their peak memory; undefined where there are none. */
export const expectationOf = (neighbours: ReadonlyArray<Neighbour>, work?: Work): Expectation | undefined => {
  const nearest = neighbours.filter(({ changes }) => changes.length === neighbours[0]!.changes.length).slice(0, counted)
  if (nearest.length === 0) return undefined
  const seconds = nearest.map(({ record }) => secondsFor(record, work)).sort((a, b) => a - b)
  const peaks = nearest.flatMap(({ record }) => record.peak_rss_bytes ?? [])
  return {
    seconds: { median: middle(seconds), least: seconds[0]!, most: seconds.at(-1)! },
    peak_memory_bytes: peaks.length === 0 ? null : Math.max(...peaks),
    runs: nearest.length,
    edits: nearest[0]!.changes.length
  }
}
