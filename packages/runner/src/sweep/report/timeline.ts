import type { SweepTrial } from "@hone/core/sweep/SweepJson"

export interface Stretch {
  readonly trial: SweepTrial
  readonly slot: number
  /** Seconds from the first start, idle time left out. */
  readonly from: number
  readonly to: number
  readonly replicate: number
  readonly until: number | null
}

export interface Timeline {
  readonly stretches: ReadonlyArray<Stretch>
  /** Where idle time was left out, and how many seconds of it. */
  readonly cuts: ReadonlyArray<{ readonly at: number; readonly seconds: number }>
}

/** Idle time that is longer is cut down to this share of the time worked: a sweep that went on the next day still fits a page. */
const idleShare = 0.03

/** When which place of the machine worked on which trial. */
export const timelineOf = (trials: ReadonlyArray<SweepTrial>): Timeline => {
  const spans = trials
    .flatMap((trial) => trial.spans.map((span) => ({ trial, ...span, from: Date.parse(span.started_at) / 1000 })))
    .sort((a, b) => a.from - b.from)
  const worked = spans.reduce((sum, { seconds }) => sum + seconds, 0)
  const longest = idleShare * worked
  const cuts: Array<Timeline["cuts"][number]> = []
  let [until, removed] = [spans[0]?.from ?? 0, spans[0]?.from ?? 0]
  const stretches = spans.map(({ from, replicate, seconds, slot, trial, until: resource }): Stretch => {
    const idle = from - until
    if (idle > longest) {
      cuts.push({ at: until - removed + longest / 2, seconds: idle })
      removed += idle - longest
    }
    until = Math.max(until, from + seconds)
    return { trial, slot, from: from - removed, to: from - removed + seconds, replicate, until: resource }
  })
  return { stretches, cuts }
}
