/**
 * Philox 4x32-10, the counter-based generator of TensorFlow's stateless random operations, equal to theirs bit for bit.
 *
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011); TensorFlow's philox_random.h for how seeds become keys.
 */
export class Philox {
  readonly #counter = new Uint32Array(4)
  readonly #key = new Uint32Array(2)
  readonly #block = new Uint32Array(4)

  /** The stream of StatelessRandomUniform with seed [first, second], both int32. */
  static fromSeed(first: number, second: number): Philox {
    const philox = new Philox()
    // TensorFlow scrambles the seed once, so that it does not matter which half of it varies.
    philox.#key.set([0x3ec8f720, 0x02461e29])
    philox.#counter.set([first, first < 0 ? -1 : 0, second, second < 0 ? -1 : 0])
    philox.#round10()
    const [key0, key1, counter2, counter3] = philox.#block
    philox.#key.set([key0!, key1!])
    philox.#counter.set([0, 0, counter2!, counter3!])
    return philox
  }

  /** Fills with uniform numbers in [0, 1) of 23 bits, from the start of the stream. */
  fillUniform(values: Float32Array): void {
    for (let i = 0; i < values.length; i += 4) {
      this.#next()
      const end = Math.min(4, values.length - i)
      for (let j = 0; j < end; j++) values[i + j] = (this.#block[j]! & 0x7fffff) * 2 ** -23
    }
  }

  /** Fills with normal numbers of mean 0, by Box and Muller. */
  fillNormal(values: Float32Array, standardDeviation: number): void {
    for (let i = 0; i < values.length; i += 2) {
      this.#next()
      const radius = standardDeviation * Math.sqrt(-2 * Math.log((this.#block[0]! + 1) * 2 ** -32))
      const angle = 2 * Math.PI * this.#block[1]! * 2 ** -32
      values[i] = radius * Math.cos(angle)
      if (i + 1 < values.length) values[i + 1] = radius * Math.sin(angle)
    }
  }

  /** The next block of four words; then the counter, a 128-bit number, goes up by one. */
  #next(): void {
    this.#round10()
    const counter = this.#counter
    for (let i = 0; i < 4; i++) {
      counter[i]! += 1
      if (counter[i] !== 0) return
    }
  }

  #round10(): void {
    let c0 = this.#counter[0]!
    let c1 = this.#counter[1]!
    let c2 = this.#counter[2]!
    let c3 = this.#counter[3]!
    let k0 = this.#key[0]!
    let k1 = this.#key[1]!
    for (let round = 0; round < 10; round++) {
      const high0 = multiplyHigh(0xd2511f53, c0)
      const low0 = Math.imul(0xd2511f53, c0)
      const high1 = multiplyHigh(0xcd9e8d57, c2)
      const low1 = Math.imul(0xcd9e8d57, c2)
      c0 = high1 ^ c1 ^ k0
      c1 = low1
      c2 = high0 ^ c3 ^ k1
      c3 = low0
      k0 = (k0 + 0x9e3779b9) | 0
      k1 = (k1 + 0xbb67ae85) | 0
    }
    const block = this.#block
    block[0] = c0
    block[1] = c1
    block[2] = c2
    block[3] = c3
  }
}

/** The upper half of the 64-bit product of two unsigned 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const bLow = b & 0xffff
  const bHigh = b >>> 16
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16)
  const carry = (middle % 0x10000) + aLow * bHigh
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) | 0
}
