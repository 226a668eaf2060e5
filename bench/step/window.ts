import { Child } from "../child.ts"
import { isNoisy, type Quiet, watchQuiet } from "../machine.ts"
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
  /** Rounds without others at work that are enough. */
  readonly quiet_rounds: number
  /** No round begins later than this; two take place in any case. */
  readonly seconds: number
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
  /** Rounds that the figures are of: the quiet ones, or all where fewer than two were. */
  readonly rounds: number
  readonly loss_difference: number | null
}

interface Answer {
  readonly ms: ReadonlyArray<number>
  readonly last: number
  readonly peak_rss_mb: number
}

/** Each side's answer in its turn, and how quiet the machine was meanwhile. */
interface Round {
  readonly answers: Readonly<Partial<Record<Side["name"], Answer>>>
  readonly quiet: Quiet
}

interface Player {
  readonly side: Side
  readonly child: Child
}

/** Losses of one batch under one set of weights: float32 sums in another order. */
const LOSS_TOLERANCE = 1e-4
/** A round of one side lasts about this long: long beside a scheduler's slice, short beside a burst of noise. */
const ROUND_MS = 1000
/** With fewer rounds there is no median to speak of. */
const FEWEST_ROUNDS = 2

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
  const players = sides.map((side) => ({ side, child: new Child(side.command, side.args, side.env) }))
  try {
    const difference = await openAll(wanted, players)
    const warm = await Promise.all(players.map(({ child }) => child.ask<Answer>({ steps: pace.warm_up_steps })))
    const steps = Math.max(1, Math.round(ROUND_MS / least(warm.flatMap(({ ms }) => ms))))
    const rounds: Array<Round> = []
    const start = performance.now()
    const isEnough = () =>
      rounds.filter(({ quiet }) => !isNoisy(quiet)).length >= pace.quiet_rounds ||
      (rounds.length >= FEWEST_ROUNDS && performance.now() - start > pace.seconds * 1000)
    while (!isEnough()) rounds.push(await play(rounds.length % 2 === 0 ? players : [...players].reverse(), steps))
    return resultOf(wanted, threads, rounds, difference)
  } finally {
    await Promise.all(players.map(({ child }) => child.close()))
  }
}

/** Gives the difference of the first losses, null where there is one side alone. */
const openAll = async (wanted: StepCase, players: ReadonlyArray<Player>): Promise<number | null> => {
  const opened = await Promise.all(
    players.map(({ child, side }) => child.ask<{ readonly loss: number }>({ open: side.open }))
  )
  if (opened.length < 2) return null
  const difference = Math.abs(opened[0]!.loss - opened[1]!.loss)
  if (difference <= LOSS_TOLERANCE) return difference
  throw new Error(`${wanted.name}: first losses differ: ${opened.map(({ loss }) => loss).join(" and ")}`)
}

const play = async (players: ReadonlyArray<Player>, steps: number): Promise<Round> => {
  const quiet = watchQuiet(players.map(({ child }) => child.pid))
  const answers: Partial<Record<Side["name"], Answer>> = {}
  for (const { child, side } of players) answers[side.name] = await child.ask<Answer>({ steps })
  return { answers, quiet: quiet() }
}

const figuresOf = (rounds: ReadonlyArray<Answer>): Figures => {
  const ms = rounds.flatMap((round) => round.ms)
  return {
    min_ms: rounded(least(ms), 1),
    median_ms: rounded(median(ms), 1),
    peak_rss_mb: Math.round(rounds.at(-1)!.peak_rss_mb)
  }
}

const resultOf = (
  wanted: StepCase,
  threads: number,
  all: ReadonlyArray<Round>,
  difference: number | null
): StepResult => {
  const calm = all.filter(({ quiet }) => !isNoisy(quiet))
  const rounds = calm.length >= FEWEST_ROUNDS ? calm : all
  const of = (name: Side["name"]) => rounds.flatMap(({ answers }) => answers[name] ?? [])
  const [ours, torch] = [of("ours"), of("torch")]
  const left = figuresOf(ours)
  const right = torch.length === 0 ? null : figuresOf(torch)
  const paired = torch.map(({ ms }, round) => median(ours[round]!.ms) / median(ms))
  return {
    case: wanted.name,
    threads,
    ours: left,
    torch: right,
    ratio_min: right === null ? null : rounded(left.min_ms / right.min_ms, 3),
    ratio_median: right === null ? null : rounded(median(paired), 3),
    rounds: rounds.length,
    steal_percent: rounded(median(rounds.map(({ quiet }) => quiet.steal_percent)), 1),
    others_percent: rounded(median(rounds.map(({ quiet }) => quiet.others_percent)), 1),
    loss_difference: difference
  }
}
