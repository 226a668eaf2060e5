import { plainText } from "./split.ts"

/** Bins of a signature, in bands of so many: texts that agree in one whole band are compared. */
const BINS = 64
const BAND = 4
const EMPTY = 0xffffffff
/** Words of a run. */
const RUN = 3
/** Rows of a bucket on the sides that go before, with which a row is compared at most: boilerplate would make them quadratic. */
const COMPARED = 50

/**
 * Rows whose text is a near duplicate of one on a side that goes before theirs (test, then validation, then train): the Jaccard
 * index of their sets of runs of three words, made plain, is at least `threshold`. Candidates are found by MinHash in one
 * permutation with bands of four; each is then compared exactly. At 0.8 one pair in five thousand is missed.
 * Sources: Broder 1997, Li, Owen and Zhang 2012 (one permutation), Shrivastava 2017 (densification).
 *
 * @param sides [rows] higher goes before
 */
export const findNearDuplicates = (
  texts: ReadonlyArray<string>,
  sides: Uint8Array,
  threshold: number
): ReadonlyArray<number> => {
  const signatures = new Uint32Array(texts.length * BINS)
  for (let row = 0; row < texts.length; row++)
    sign(runsOf(texts[row]!), signatures.subarray(row * BINS, (row + 1) * BINS))
  const near = new Uint8Array(texts.length)
  const known = new Runs(texts)
  for (let band = 0; band < BINS; band += BAND) {
    const buckets = bucketsOf(signatures, sides, band)
    for (let row = 0; row < texts.length; row++) {
      if (near[row] === 1 || sides[row] === 2 || signatures[row * BINS] === EMPTY) continue
      const before = buckets.get(keyOf(signatures, row, band))?.filter((other) => sides[other]! > sides[row]!)
      if (before?.slice(0, COMPARED).some((other) => jaccard(known.of(row), known.of(other)) >= threshold) === true)
        near[row] = 1
    }
  }
  return Array.from(near.keys()).filter((row) => near[row] === 1)
}

/** Rows of validation and test by what their signatures have in a band. */
const bucketsOf = (
  signatures: Uint32Array,
  sides: Uint8Array,
  band: number
): ReadonlyMap<number, ReadonlyArray<number>> => {
  const buckets = new Map<number, Array<number>>()
  for (let row = 0; row < sides.length; row++) {
    if (sides[row] === 0 || signatures[row * BINS] === EMPTY) continue
    const key = keyOf(signatures, row, band)
    const bucket = buckets.get(key)
    if (bucket === undefined) buckets.set(key, [row])
    else bucket.push(row)
  }
  return buckets
}

/** 53 bits of the band's four numbers. */
const keyOf = (signatures: Uint32Array, row: number, band: number): number => {
  const at = row * BINS + band
  const low = mix(signatures[at]! ^ Math.imul(signatures[at + 1]!, 0x9e3779b1))
  const high = mix(signatures[at + 2]! ^ Math.imul(signatures[at + 3]!, 0x85ebca77))
  return (high & 0x1fffff) * 2 ** 32 + (low ^ high) + 2 ** 31
}

/** The final step of MurmurHash3: every bit of the input moves every bit of the result. */
const mix = (value: number): number => {
  let hash = value >>> 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** Hashes of the runs of three words of a text made plain; of the whole text where it has fewer. None where it has no word. */
const runsOf = (text: string): Uint32Array => {
  const words = plainText(text).split(" ")
  if (words[0] === "") return new Uint32Array(0)
  const hashes = words.map(hashOf)
  const length = Math.min(RUN, words.length)
  const runs = new Uint32Array(words.length - length + 1)
  for (let at = 0; at < runs.length; at++) {
    let hash = 0
    for (let word = 0; word < length; word++) hash = mix(Math.imul(hash, 31) + hashes[at + word]!)
    runs[at] = hash
  }
  return runs
}

/** FNV-1a. */
const hashOf = (word: string): number => {
  let hash = 0x811c9dc5
  for (let at = 0; at < word.length; at++) hash = Math.imul(hash ^ word.charCodeAt(at), 0x01000193)
  return hash >>> 0
}

/** The least hash of each bin; a bin without any takes that of another, chosen by its number alone. All EMPTY where there is no run. */
const sign = (runs: Uint32Array, signature: Uint32Array): void => {
  signature.fill(EMPTY)
  for (const run of runs) {
    const bin = run & (BINS - 1)
    const value = mix(run)
    // EMPTY is no value: one hash in four thousand million is moved by one.
    if (value < signature[bin]!) signature[bin] = value
  }
  if (runs.length === 0) return
  const filled = signature.slice()
  for (let bin = 0; bin < BINS; bin++) {
    let from = bin
    for (let attempt = 1; filled[from] === EMPTY; attempt++) from = mix(bin * 0x10001 + attempt) & (BINS - 1)
    signature[bin] = filled[from]!
  }
}

/** Sorted runs of texts, made when first asked for: only candidates are compared. */
class Runs {
  readonly #texts: ReadonlyArray<string>
  readonly #known = new Map<number, Uint32Array>()

  constructor(texts: ReadonlyArray<string>) {
    this.#texts = texts
  }

  of(row: number): Uint32Array {
    const known = this.#known.get(row)
    if (known !== undefined) return known
    const runs = runsOf(this.#texts[row]!).sort()
    this.#known.set(row, runs)
    return runs
  }
}

/** Of two sorted lists as sets. */
const jaccard = (a: Uint32Array, b: Uint32Array): number => {
  let [i, j, common, all] = [0, 0, 0, 0]
  while (i < a.length || j < b.length) {
    const [x, y] = [a[i] ?? Infinity, b[j] ?? Infinity]
    const least = Math.min(x, y)
    while (a[i] === least) i++
    while (b[j] === least) j++
    all++
    if (x === y) common++
  }
  return all === 0 ? 0 : common / all
}
