/** Draws integers in [0, bound): all of them equally likely up to 2^-32. */
export type DrawInteger = (bound: number) => number

/**
 * A stream of uniform integers from a uint32 seed. Source: xoshiro128** 1.1 (Blackman and Vigna 2018), its state filled by
 * SplitMix32, so that near seeds give unlike streams. For statistics and shuffles, not for secrets.
 */
export const seededDraws = (seed: number): DrawInteger => {
  let [a, b, c, d] = fourWords(seed)
  return (bound) => {
    const word = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotate(d, 11)
    return Math.floor((word / 2 ** 32) * bound)
  }
}

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits))

const fourWords = (seed: number): [number, number, number, number] => {
  let state = seed | 0
  const next = () => {
    state = (state + 0x9e3779b9) | 0
    let word = state ^ (state >>> 16)
    word = Math.imul(word, 0x21f0aaad)
    word ^= word >>> 15
    word = Math.imul(word, 0x735a2d97)
    return word ^ (word >>> 15)
  }
  return [next(), next(), next(), next()]
}
