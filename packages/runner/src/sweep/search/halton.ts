import { valueAt } from "@hone/core/sweep/Domain"
import { drawFor } from "@hone/core/sweep/draw"
import type { Dimension } from "@hone/core/sweep/Sweep"
import type { Propose } from "./Sampler.ts"

const isPrime = (n: number): boolean => {
  for (let of = 2; of * of <= n; of++) if (n % of === 0) return false
  return true
}

const primes = (count: number): ReadonlyArray<number> => {
  const found: Array<number> = []
  for (let n = 2; found.length < count; n++) if (isPrime(n)) found.push(n)
  return found
}

/** 0 to base - 1 in an order drawn from the seed. */
const permutation = (base: number, seed: number, name: string): ReadonlyArray<number> => {
  const draw = drawFor(seed, name)
  const order = Array.from({ length: base }, (_, at) => at)
  for (let at = base - 1; at > 0; at--) {
    const other = Math.floor(draw() * (at + 1))
    ;[order[at], order[other]] = [order[other]!, order[at]!]
  }
  return order
}

// So many digits of a base that more change nothing within a double.
const digitsOf = (base: number) => Math.ceil(54 / Math.log2(base))

/**
 * The n-th element of the van der Corput sequence in a base, its digits exchanged by the permutation of their place.
 * Source: Owen (2017), A randomized Halton algorithm in R; without permutations `scipy.stats.qmc.Halton(scramble=False)`.
 */
export const radicalInverse = (
  n: number,
  base: number,
  permutations?: ReadonlyArray<ReadonlyArray<number>>
): number => {
  let [rest, scale, sum] = [n, 1 / base, 0]
  for (let at = 0; at < digitsOf(base); at++) {
    const digit = rest % base
    sum += (permutations?.[at]?.[digit] ?? digit) * scale
    scale /= base
    rest = Math.floor(rest / base)
  }
  return sum
}

/** Trials spread over the space more evenly than drawn ones: a scrambled Halton sequence, one prime for each dimension. */
export const halton = (dimensions: ReadonlyArray<Dimension>, seed: number): Propose => {
  const bases = primes(dimensions.length)
  const ways = new Map(
    dimensions.map(({ domain, path }, i) => {
      const base = bases[i]!
      const permutations = Array.from({ length: digitsOf(base) }, (_, at) => permutation(base, seed, `${path}/${at}`))
      return [path, { domain, share: (n: number) => radicalInverse(n, base, permutations) }]
    })
  )
  // A point that is refused (a constraint, one that was there) gives way to one far along the sequence.
  return (n, attempt) => (path) => {
    const way = ways.get(path)
    return way === undefined ? undefined : valueAt(way.domain, Math.min(1 - 1e-12, way.share(n + attempt * 100_003)))
  }
}
