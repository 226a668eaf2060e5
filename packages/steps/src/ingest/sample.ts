/**
 * How many of `sample` go to each stratum: in proportion to the counts, the remainders by largest fraction, ties to the earlier.
 * Never more than a stratum has; all of them where the sample asks for more.
 */
export const allocate = (counts: ReadonlyArray<number>, sample: number): ReadonlyArray<number> => {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (sample >= total) return counts
  const exact = counts.map((count) => (count * sample) / total)
  const shares = exact.map(Math.floor)
  const rest = sample - shares.reduce((sum, share) => sum + share, 0)
  const byFraction = exact.map((value, at) => ({ at, fraction: value - Math.floor(value) }))
  byFraction.sort((a, b) => b.fraction - a.fraction || a.at - b.at)
  for (const { at } of byFraction.slice(0, rest)) shares[at]!++
  return shares
}

/** A growing list of float64 numbers: 8 bytes an element whatever the length. */
export class Numbers {
  #values = new Float64Array(1024)
  #length = 0

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Float64Array(2 * this.#length)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.#length++] = value
  }

  /** Adds to an element, and tells what it is then. */
  add(at: number, value: number): number {
    return (this.#values[at]! += value)
  }

  /** A view, until the next push. */
  get values(): Float64Array {
    return this.#values.subarray(0, this.#length)
  }
}

/** Of some places, those of the `count` lowest ranks, ties to the earlier. */
export const lowest = (places: Float64Array, ranks: Float64Array, count: number): Float64Array =>
  places.toSorted((a, b) => ranks[a]! - ranks[b]! || a - b).subarray(0, count)
