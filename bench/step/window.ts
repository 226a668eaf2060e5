import { Child } from "../child.ts"
import { isNoisy, type Quiet, watchQuiet } from "../machine.ts"
import { least, median, rounded } from "../statistics.ts"
import type { StepCase } from "./cases.ts"

export interface Side {
  readonly name: "ours" | "torch" | "compiled"
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
  /** Under `torch.compile`, where asked for. */
  readonly compiled: Figures | null
  readonly ratio_min: number | null
  /** Median over rounds of (median of ours / median of PyTorch's) of the same round. */
  readonly ratio_median: number | null
  /** The same against `torch.compile`. */
  readonly compiled_ratio_median: number | null
  /** Rounds that the figures are of: the quiet ones, or all where fewer than two were. */
  readonly rounds: number
  readonly loss_difference: number | null
  /** Building our program, the first thing in a process, and writing it as a GraphDef. */
  readonly built_ms: number
  readonly lowered_ms: number
}

interface OpenAnswer {
  readonly loss: number
  readonly built_ms?: number
  readonly lowered_ms?: number
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

/** Losses of one batch under one set of weights, relative to the larger of them and 1: float32 sums in another order. */
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
    const opened = await openAll(wanted, players)
    const warm = await Promise.all(players.map(({ child }) => child.ask<Answer>({ steps: pace.warm_up_steps })))
    const steps = Math.max(1, Math.round(ROUND_MS / least(warm.flatMap(({ ms }) => ms))))
    const rounds: Array<Round> = []
    const start = performance.now()
    const isEnough = () =>
      rounds.filter(({ quiet }) => !isNoisy(quiet)).length >= pace.quiet_rounds ||
      (rounds.length >= FEWEST_ROUNDS && performance.now() - start > pace.seconds * 1000)
    while (!isEnough()) rounds.push(await play(rounds.length % 2 === 0 ? players : [...players].reverse(), steps))
    return resultOf(wanted, threads, rounds, opened)
  } finally {
    await Promise.all(players.map(({ child }) => child.close()))
  }
}

interface Openings {
  readonly difference: number | null
  readonly built_ms: number
  readonly lowered_ms: number
}

const openAll = async (wanted: StepCase, players: ReadonlyArray<Player>): Promise<Openings> => {
  const opened = await Promise.all(players.map(({ child, side }) => child.ask<OpenAnswer>({ open: side.open })))
  const [ours, torch] = opened
  const times = { built_ms: rounded(ours!.built_ms ?? 0, 1), lowered_ms: rounded(ours!.lowered_ms ?? 0, 1) }
  if (torch === undefined) return { difference: null, ...times }
  const difference = Math.abs(ours!.loss - torch.loss) / Math.max(1, Math.abs(torch.loss))
  if (difference <= LOSS_TOLERANCE) return { difference, ...times }
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
  { difference, ...times }: Openings
): StepResult => {
  const calm = all.filter(({ quiet }) => !isNoisy(quiet))
  const rounds = calm.length >= FEWEST_ROUNDS ? calm : all
  const of = (name: Side["name"]) => rounds.flatMap(({ answers }) => answers[name] ?? [])
  const ours = of("ours")
  const left = figuresOf(ours)
  const against = (name: Side["name"]) => {
    const theirs = of(name)
    if (theirs.length === 0) return { figures: null, ratio: null }
    const paired = theirs.map(({ ms }, round) => median(ours[round]!.ms) / median(ms))
    return { figures: figuresOf(theirs), ratio: rounded(median(paired), 3) }
  }
  const { figures: right, ratio } = against("torch")
  const compiled = against("compiled")
  return {
    case: wanted.name,
    threads,
    ours: left,
    torch: right,
    ratio_min: right === null ? null : rounded(left.min_ms / right.min_ms, 3),
    ratio_median: ratio,
    compiled: compiled.figures,
    compiled_ratio_median: compiled.ratio,
    rounds: rounds.length,
    steal_percent: rounded(median(rounds.map(({ quiet }) => quiet.steal_percent)), 1),
    others_percent: rounded(median(rounds.map(({ quiet }) => quiet.others_percent)), 1),
    loss_difference: difference,
    ...times
  }
}
