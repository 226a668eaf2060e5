import { Child } from "../child.ts"
import { type Quiet, watchQuiet } from "../machine.ts"
import { least, median, rounded } from "../statistics.ts"
import type { StepCase } from "./cases.ts"

export interface Side {
  readonly name: "ours" | "torch"
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  readonly open: unknown
}

/** How long one case is measured. */
export interface Pace {
  readonly warm_up_steps: number
  /** Rounds go on until this much time has been measured on both sides together, at least `least_rounds`, at most `most_rounds`. */
  readonly seconds: number
  readonly least_rounds: number
  readonly most_rounds: number
}

interface Figures {
  readonly min_ms: number
  readonly median_ms: number
  readonly peak_rss_mb: number
}

/** One line of the JSON output. `torch` and the ratios are null where PyTorch is not to be had. */
export interface StepResult extends Quiet {
  readonly case: string
  readonly threads: number
  readonly ours: Figures
  readonly torch: Figures | null
  readonly ratio_min: number | null
  /** Median over rounds of (median of ours / median of PyTorch's) of the same round. */
  readonly ratio_median: number | null
  readonly rounds: number
  readonly loss_difference: number | null
}

interface Answer {
  readonly ms: ReadonlyArray<number>
  readonly last: number
  readonly peak_rss_mb: number
}

/** Losses of one batch under one set of weights: float32 sums in another order. */
const LOSS_TOLERANCE = 1e-4
/** A round of one side lasts about this long: long beside a scheduler's slice, short beside a burst of noise. */
const ROUND_MS = 1000

/**
 * Times one case on both sides in one window: long-lived processes that take turns, so that noise meets both. Sides swap who goes
 * first. Throws where their first losses differ: then they do not compute the same.
 */
export const measure = async (
  wanted: StepCase,
  threads: number,
  sides: ReadonlyArray<Side>,
  pace: Pace
): Promise<StepResult> => {
  const children = sides.map((side) => ({
    side,
    child: new Child(side.command, side.args, side.env),
    rounds: [] as Array<Answer>
  }))
  try {
    const opened = await Promise.all(
      children.map(({ child, side }) => child.ask<{ readonly loss: number }>({ open: side.open }))
    )
    const difference = opened.length < 2 ? null : Math.abs(opened[0]!.loss - opened[1]!.loss)
    if (difference !== null && !(difference <= LOSS_TOLERANCE)) {
      throw new Error(`${wanted.name}: first losses differ: ${opened.map(({ loss }) => loss).join(" and ")}`)
    }
    const warm = await Promise.all(children.map(({ child }) => child.ask<Answer>({ steps: pace.warm_up_steps })))
    const count = Math.max(1, Math.round(ROUND_MS / least(warm.flatMap(({ ms }) => ms))))
    const quiet = watchQuiet(children.map(({ child }) => child.pid))
    const start = performance.now()
    for (let round = 0; round < pace.most_rounds; round++) {
      if (round >= pace.least_rounds && performance.now() - start > pace.seconds * 1000) break
      for (const { child, rounds } of round % 2 === 0 ? children : [...children].reverse()) {
        rounds.push(await child.ask<Answer>({ steps: count }))
      }
    }
    const of = (name: Side["name"]) => children.find(({ side }) => side.name === name)?.rounds
    return resultOf(wanted, threads, { ours: of("ours")!, torch: of("torch"), quiet: quiet(), difference })
  } finally {
    await Promise.all(children.map(({ child }) => child.close()))
  }
}

const figuresOf = (rounds: ReadonlyArray<Answer>): Figures => {
  const ms = rounds.flatMap((round) => round.ms)
  return {
    min_ms: rounded(least(ms), 1),
    median_ms: rounded(median(ms), 1),
    peak_rss_mb: Math.round(rounds.at(-1)!.peak_rss_mb)
  }
}

interface Measured {
  readonly ours: ReadonlyArray<Answer>
  readonly torch: ReadonlyArray<Answer> | undefined
  readonly quiet: Quiet
  readonly difference: number | null
}

const resultOf = (wanted: StepCase, threads: number, { difference, ours, quiet, torch }: Measured): StepResult => {
  const left = figuresOf(ours)
  const right = torch === undefined ? null : figuresOf(torch)
  const paired = torch?.map(({ ms }, round) => median(ours[round]!.ms) / median(ms))
  return {
    case: wanted.name,
    threads,
    ours: left,
    torch: right,
    ratio_min: right === null ? null : rounded(left.min_ms / right.min_ms, 3),
    ratio_median: paired === undefined ? null : rounded(median(paired), 3),
    rounds: ours.length,
    ...quiet,
    loss_difference: difference
  }
}
