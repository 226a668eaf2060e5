import { type Domain, sizeOf } from "@hone/core/sweep/Domain"

type Draw = () => number

export interface Observed {
  readonly values: ReadonlyArray<number>
  /** As many, before the prior's 1. */
  readonly weights: ReadonlyArray<number>
}

/** A density over the values of one dimension: of choices over their places in the list. */
export interface Mixture {
  readonly sample: (draw: Draw) => number
  readonly logDensity: (value: number) => number
}

/** What an observation is worth beside the prior. */
const priorWeight = 1

const pick = (weights: ReadonlyArray<number>, draw: Draw): number => {
  let left = draw() * weights.reduce((sum, weight) => sum + weight, 0)
  for (const [at, weight] of weights.entries()) if ((left -= weight) < 0) return at
  return weights.length - 1
}

const normalised = (weights: ReadonlyArray<number>): ReadonlyArray<number> => {
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return weights.map((weight) => weight / sum)
}

/** Counts of the choices, each observation a kernel that leaves a little to the other choices. */
export const categoricalMixture = (choices: number, { values, weights }: Observed): Mixture => {
  const kernels = values.length + 1
  const share = normalised([...weights, priorWeight])
  const spread = priorWeight / kernels
  const density = Array.from({ length: choices }, () => share.at(-1)! / choices)
  values.forEach((value, kernel) => {
    const total = choices * spread + 1
    for (let at = 0; at < choices; at++) density[at]! += (share[kernel]! * (spread + (at === value ? 1 : 0))) / total
  })
  return { sample: (draw) => pick(density, draw), logDensity: (value) => Math.log(density[value]!) }
}

/** Error function, to 1.2e-7. (Numerical Recipes, erfcc) */
const erf = (x: number): number => {
  const z = Math.abs(x)
  const t = 1 / (1 + z / 2)
  const poly = [
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223,
    0.17087277
  ]
  const complement = t * Math.exp(-z * z + poly.reduceRight((sum, c) => sum * t + c, 0))
  return x >= 0 ? 1 - complement : complement - 1
}

const normalCdf = (x: number) => (1 + erf(x / Math.SQRT2)) / 2

/** Widths of the kernels: the wider of the gaps to either neighbour, not too narrow and not wider than the domain. */
const widthsOf = (centres: ReadonlyArray<number>, low: number, high: number): ReadonlyArray<number> => {
  const order = centres.map((_, at) => at).sort((a, b) => centres[a]! - centres[b]!)
  const sorted = [low, ...order.map((at) => centres[at]!), high]
  const gaps = order.map((_, i) => Math.max(sorted[i + 1]! - sorted[i]!, sorted[i + 2]! - sorted[i + 1]!))
  // At the ends the neighbour counts, not the end of the domain (Optuna: consider_endpoints=False).
  if (order.length >= 2) {
    gaps[0] = sorted[2]! - sorted[1]!
    gaps[gaps.length - 1] = sorted.at(-2)! - sorted.at(-3)!
  }
  const widths = Array.from({ length: centres.length }, () => 0)
  order.forEach((at, i) => void (widths[at] = gaps[i]!))
  const least = (high - low) / Math.min(100, 1 + centres.length)
  return widths.map((width) => Math.min(high - low, Math.max(least, width)))
}

/**
 * Truncated normals about the observations and one, as wide as the domain, about its middle; on a logarithmic scale where the domain
 * is. Whole steps get the mass of the interval about them.
 */
export const numericMixture = (domain: Extract<Domain, { kind: "number" }>, { values, weights }: Observed): Mixture => {
  const { isLog, step } = domain
  const half = (step ?? 0) / 2
  const top = step === null ? domain.high : domain.low + (sizeOf(domain) - 1) * step
  const to = (value: number) => (isLog ? Math.log(value) : value)
  const from = (value: number) => (isLog ? Math.exp(value) : value)
  const low = to(isLog ? Math.max(domain.low - half, domain.low / 2) : domain.low - half)
  const high = to(top + half)
  if (low >= high) return { sample: () => domain.low, logDensity: () => 0 }
  const centres = [...values.map(to), (low + high) / 2]
  const widths = [...widthsOf(centres, low, high).slice(0, -1), high - low]
  const share = normalised([...weights, priorWeight])
  const mass = (kernel: number, a: number, b: number) =>
    normalCdf((b - centres[kernel]!) / widths[kernel]!) - normalCdf((a - centres[kernel]!) / widths[kernel]!)
  const within = centres.map((_, kernel) => Math.max(1e-12, mass(kernel, low, high)))
  const density = (kernel: number, value: number): number => {
    if (step !== null)
      return mass(kernel, to(Math.max(value - half, isLog ? value / 2 : -Infinity)), to(value + half)) / within[kernel]!
    const z = (to(value) - centres[kernel]!) / widths[kernel]!
    return Math.exp((-z * z) / 2) / (widths[kernel]! * Math.sqrt(2 * Math.PI) * within[kernel]!)
  }
  return {
    sample: (draw) => {
      const kernel = pick(share, draw)
      return from(truncated(centres[kernel]!, widths[kernel]!, low, high, draw))
    },
    logDensity: (value) =>
      Math.log(
        Math.max(
          1e-300,
          share.reduce((sum, of, kernel) => sum + of * density(kernel, value), 0)
        )
      )
  }
}

/** A normal number between two ends: drawn again until it is, and evenly where that takes too long. */
const truncated = (mean: number, sd: number, low: number, high: number, draw: Draw): number => {
  for (let attempt = 0; attempt < 100; attempt++) {
    const value = mean + sd * Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw())
    if (value >= low && value <= high) return value
  }
  return low + draw() * (high - low)
}
