import { canonicalJson } from "@hone/core/Canonical"
import { drawFor } from "@hone/core/sweep/draw"
import type { SweepImportance, SweepJson, SweepTrial } from "@hone/core/sweep/SweepJson"
import { comparableOf } from "../report/comparable.ts"
import { decompose } from "./fanova.ts"
import { type Axis, explainedUnseen, growForest, type Point } from "./forest.ts"

type Params = SweepJson["params"]

/** An axis of the forest: what it is called, and where trials lie on it. */
interface Named {
  readonly paths: ReadonlyArray<string>
  readonly axis: Axis
  readonly places: ReadonlyArray<number>
}

const fewestTrials = 5
// What a twentieth would exceed once in twenty times is the most of nineteen.
const shuffles = 19
/** Fewer trees where there are more trials: each knows more then. Forests of shuffled objectives only give the height of chance. */
const treesFor = (trials: number) => Math.round(Math.min(64, Math.max(16, 16_000 / trials)))
const shuffledTreesFor = (trials: number) => Math.round(Math.min(16, Math.max(2, 2000 / trials)))

/** Whether a number's axis is its logarithm. */
const scaleOf = (kind: Params[number]["kind"]) => (kind === "log" ? Math.log : (value: number) => value)

/** A param of numbers: by its bounds, widened to what was tried. Where a condition left it out it stands in the middle, and tells nothing. */
const numberAxis = (param: Params[number], trials: ReadonlyArray<SweepTrial>): Named => {
  const scale = scaleOf(param.kind)
  const values = trials.map(({ params }) => params[param.path])
  const known = [...values, param.low, param.high].filter((value) => typeof value === "number").map(scale)
  const [low, high] = [Math.min(...known), Math.max(...known)]
  const places = values.map((value) => (typeof value === "number" ? scale(value) : (low + high) / 2))
  return { paths: [param.path], axis: { kind: "number", low, high }, places }
}

/** Params as one category: each combination of values that was tried, and those of a choice that were not. */
const categoryAxis = (params: Params, trials: ReadonlyArray<SweepTrial>): Named => {
  const [only] = params
  const categories = new Map<string, number>()
  const place = (values: ReadonlyArray<unknown>): number => {
    const name = canonicalJson(values.map((value) => value ?? null) as never)
    if (!categories.has(name)) categories.set(name, categories.size)
    return categories.get(name)!
  }
  const places = trials.map((trial) => place(params.map(({ path }) => trial.params[path])))
  if (params.length === 1) for (const value of only!.values ?? []) place([value])
  return { paths: params.map(({ path }) => path), axis: { kind: "category", size: categories.size }, places }
}

/** A listed param is a number only where every trial says it: what a trial leaves out is the pipeline's, which is not known here. */
const isNumeric = ({ kind, path }: Params[number], trials: ReadonlyArray<SweepTrial>): boolean =>
  kind === "int" ||
  kind === "range" ||
  kind === "log" ||
  (kind === "start" && trials.every(({ params }) => typeof params[path] === "number"))

/** What differs, as axes. A tied param is left out: it says nothing that those it is tied to do not say. */
const axesOf = (params: Params, trials: ReadonlyArray<SweepTrial>): ReadonlyArray<Named> => {
  const free = params.filter(({ differs, kind }) => differs && kind !== "expr")
  const bundled = free.filter(({ kind }) => kind === "bundle")
  const single = free.filter(({ kind }) => kind !== "bundle")
  const named = [
    ...(bundled.length === 0 ? [] : [categoryAxis(bundled, trials)]),
    ...single.map((param) => (isNumeric(param, trials) ? numberAxis(param, trials) : categoryAxis([param], trials)))
  ]
  return named.filter(({ places }) => new Set(places).size > 1)
}

const quantile = (sorted: ReadonlyArray<number>, share: number): number => {
  const at = share * (sorted.length - 1)
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!]
  return low + (at - Math.floor(at)) * (high - low)
}

/**
 * The objectives with the worst ones drawn in to three interquartile ranges from the middle half (Tukey's outer fence): one training
 * that diverged must not be all of the variance.
 */
const drawnIn = (values: ReadonlyArray<number>, goal: "maximize" | "minimize"): ReadonlyArray<number> => {
  const sorted = [...values].sort((a, b) => a - b)
  const [low, high] = [quantile(sorted, 0.25), quantile(sorted, 0.75)]
  const fence = 3 * (high - low)
  if (fence === 0) return values
  return values.map((value) => (goal === "maximize" ? Math.max(value, low - fence) : Math.min(value, high + fence)))
}

const shuffled = (values: ReadonlyArray<number>, draw: () => number): ReadonlyArray<number> => {
  const dealt = [...values]
  for (let at = dealt.length - 1; at > 0; at--) {
    const other = Math.floor(draw() * (at + 1))
    ;[dealt[at], dealt[other]] = [dealt[other]!, dealt[at]!]
  }
  return dealt
}

const sharesOf = (
  axes: ReadonlyArray<Axis>,
  points: ReadonlyArray<Point>,
  values: ReadonlyArray<number>,
  count: number,
  draw: () => number
) => {
  const forest = growForest(axes, points, values, count, draw)
  const { alone, variance } = decompose(forest)
  return { forest, shares: alone.map((own) => (variance === 0 ? 0 : own / variance)) }
}

const list = (names: ReadonlyArray<string>): string =>
  names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`

const nameOf = ({ paths }: SweepImportance["params"][number]): string => paths.join(" with ")

/** How far to believe it. */
const wordsOf = ({ explained, of, params, trials }: Omit<SweepImportance, "words">): string => {
  const own = params.filter(({ chance, share }) => share > chance)
  const seen = `From ${trials} trials' ${of}`
  if (explained === null || explained < 0.1)
    return `${seen}, not to be believed: a forest over them foretells a trial that it has not seen hardly better than their mean does. Run more trials.`
  const foretold = `a forest over them foretells ${Math.round(100 * explained)} % of the variance of trials that it has not seen`
  if (own.length === 0)
    return `${seen}, not to be believed: ${foretold}, but no param gets more than chance gives it in one sweep of twenty. Run more trials.`
  const stands = `${list(own.map(nameOf))} ${own.length === 1 ? "gets" : "get"} more than chance gives in one sweep of twenty`
  const others = own.length < params.length ? ", the rest may be chance" : ""
  const few = trials < 10 * params.length ? "; at so few trials believe the order at most, not the numbers" : ""
  return `${seen}: ${foretold}, and ${stands}${others}${few}.`
}

const nothing = ({ of, trials: { length: trials } }: Basis, words: string): SweepImportance => ({
  of,
  trials,
  explained: null,
  params: [],
  interactions: 0,
  words
})

/** Trials with a value that can be compared. */
interface Basis {
  readonly of: string
  readonly goal: "maximize" | "minimize"
  readonly trials: ReadonlyArray<SweepTrial>
  readonly values: ReadonlyArray<number>
}

type Told = Pick<SweepJson, "curve" | "objective" | "params" | "prune" | "search" | "trials">

const basisOf = (sweep: Told): Basis => {
  const { goal, of, valueOf } = comparableOf(sweep)
  const trials = sweep.trials.filter((trial) => valueOf(trial) !== null)
  return { of, goal, trials, values: trials.map((trial) => valueOf(trial)!) }
}

/** What each param that differs does to the objective, or to what stands for it, over all of the space. */
export const importanceOf = (sweep: Told): SweepImportance => {
  const basis = basisOf(sweep)
  const { goal, of, trials } = basis
  const named = axesOf(sweep.params, trials)
  if (trials.length < fewestTrials)
    return nothing(
      basis,
      `Not told from fewer than ${fewestTrials} whole trials; there ${trials.length === 1 ? "is" : "are"} ${trials.length}.`
    )
  const values = drawnIn(basis.values, goal)
  if (named.length === 0 || new Set(values).size === 1)
    return nothing(basis, `Not told: the ${trials.length} whole trials do not differ.`)
  const axes = named.map(({ axis }) => axis)
  const points = trials.map((_, row) => named.map(({ places }) => places[row]!))
  const draw = drawFor(sweep.search.seed, "importance")
  const { forest, shares } = sharesOf(axes, points, values, treesFor(trials.length), draw)
  const dealt = Array.from(
    { length: shuffles },
    () => sharesOf(axes, points, shuffled(values, draw), shuffledTreesFor(trials.length), draw).shares
  )
  const chance = (at: number) => Math.max(...dealt.map((shares) => shares[at]!))
  const params = named
    .map(({ paths }, at) => ({ paths, share: shares[at]!, chance: chance(at) }))
    .sort((a, b) => b.share - a.share)
  const told = {
    of,
    trials: trials.length,
    explained: explainedUnseen(forest, points, values),
    params,
    interactions: Math.max(0, 1 - shares.reduce((sum, share) => sum + share, 0))
  }
  return { ...told, words: wordsOf(told) }
}
