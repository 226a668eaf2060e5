/**
 * How many of `sample` go to each stratum: in proportion to the counts, the remainders by largest fraction, ties to the earlier.
 * Never more than a stratum has; all of them where the sample asks for more.
 */
export const allocate = (counts: ReadonlyArray<number>, sample: number): ReadonlyArray<number> => {
  const total = counts.reduce((sum, count) => sum + count, 0)
  return sample >= total ? counts : apportion(counts, sample)
}

/** `total` shared out in proportion to the weights, exactly. */
const apportion = (weights: ReadonlyArray<number>, total: number): ReadonlyArray<number> => {
  const sum = weights.reduce((sum, weight) => sum + weight, 0)
  const exact = weights.map((weight) => (weight * total) / sum)
  const shares = exact.map(Math.floor)
  const rest = total - shares.reduce((sum, share) => sum + share, 0)
  const byFraction = exact.map((value, at) => ({ at, fraction: value - Math.floor(value) }))
  byFraction.sort((a, b) => b.fraction - a.fraction || a.at - b.at)
  for (const { at } of byFraction.slice(0, rest)) shares[at]!++
  return shares
}

/**
 * How many rows each source gives so that their shares are those of the weights: of `sample` rows, or of as many as there can be.
 * A source that has less than its share lowers the whole, never the shares.
 */
export const weighted = (
  available: ReadonlyArray<number>,
  weights: ReadonlyArray<number>,
  sample: number | undefined
): ReadonlyArray<number> => {
  const sum = weights.reduce((sum, weight) => sum + weight, 0)
  const reachable = available.map((count, at) => (count * sum) / weights[at]!)
  // Dividing may leave a whole number a hair short of itself.
  const total = Math.floor(Math.min(sample ?? Infinity, ...reachable) + 1e-9)
  return apportion(weights, total).map((share, at) => Math.min(share, available[at]!))
}

const BLOCK = 65_536

/** A growing list of uint32 numbers: 4 bytes an element, and no copy when it grows. */
export class Numbers {
  readonly #blocks: Array<Uint32Array> = []
  #length = 0

  get length(): number {
    return this.#length
  }

  push(value: number): void {
    if (this.#length % BLOCK === 0) this.#blocks.push(new Uint32Array(BLOCK))
    this.#blocks.at(-1)![this.#length++ % BLOCK] = value
  }

  at(index: number): number {
    return this.#blocks[Math.floor(index / BLOCK)]![index % BLOCK]!
  }

  set(index: number, value: number): void {
    this.#blocks[Math.floor(index / BLOCK)]![index % BLOCK] = value
  }
}

/** A growing set of whole numbers, a bit each. */
export class Bits {
  #bits = new Uint8Array(1024)

  add(index: number): void {
    if (index >> 3 >= this.#bits.length) {
      const larger = new Uint8Array(2 * (index >> 3))
      larger.set(this.#bits)
      this.#bits = larger
    }
    this.#bits[index >> 3]! |= 1 << (index & 7)
  }

  has(index: number): boolean {
    return ((this.#bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0
  }
}

/**
 * Numbers ids as they are met. It holds 64 bits of each and a slot: some 20 bytes an id, where a Map of strings takes five times
 * that. Two ids out of ten million are taken for one with a probability of 3e-6; it then miscounts a duplicate.
 */
export class IdNumbers {
  readonly #high = new Numbers()
  readonly #low = new Numbers()
  /** Number and 1, or 0. */
  #slots = new Uint32Array(1 << 12)

  get size(): number {
    return this.#high.length
  }

  /** @param id hexadecimal digits, at least 16 */
  number(id: string): number {
    const high = parseInt(id.slice(0, 8), 16)
    const low = parseInt(id.slice(8, 16), 16)
    const slot = this.#slot(high, low)
    if (this.#slots[slot] !== 0) return this.#slots[slot]! - 1
    this.#high.push(high)
    this.#low.push(low)
    this.#slots[slot] = this.size
    if (5 * this.size > 4 * this.#slots.length) this.#grow()
    return this.size - 1
  }

  #slot(high: number, low: number): number {
    const mask = this.#slots.length - 1
    let slot = low & mask
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const number = this.#slots[slot]! - 1
      if (this.#low.at(number) === low && this.#high.at(number) === high) break
    }
    return slot
  }

  #grow(): void {
    this.#slots = new Uint32Array(2 * this.#slots.length)
    for (let number = 0; number < this.size; number++)
      this.#slots[this.#slot(this.#high.at(number), this.#low.at(number))] = number + 1
  }
}

/** Of some rows, those of the `count` lowest ranks, ties to the earlier. */
export const lowest = (
  places: ReadonlyArray<number>,
  rankOf: (place: number) => number,
  count: number
): ReadonlyArray<number> => places.toSorted((a, b) => rankOf(a) - rankOf(b) || a - b).slice(0, count)
