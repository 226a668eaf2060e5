import * as fc from "fast-check"
import { it } from "vitest"

/** Seconds of fuzzing for each reader: four in the slow lane, as many as wanted by HONE_FUZZ_SECONDS. */
const seconds = Number(process.env["HONE_FUZZ_SECONDS"] ?? 4)

/** Another one by HONE_FUZZ_SEED; `random` takes a new one each time. A failure prints it, with the smallest input that fails. */
const seed =
  process.env["HONE_FUZZ_SEED"] === "random" ? Date.now() % 2 ** 31 : Number(process.env["HONE_FUZZ_SEED"] ?? 1)

/** No input is so large that a reader may take longer: seconds. */
const LONGEST = 10

/** Megabytes of memory that a reader may take for an input. */
const LARGEST = 200

/** Gives a reader made-up input until the time is over. Fails where the reader throws, is slow, or takes too much memory for an input. */
export const fuzz = <A>(name: string, inputs: fc.Arbitrary<A>, read: (input: A) => Promise<void> | void): void => {
  it(
    name,
    async () => {
      const property = fc.asyncProperty(inputs, async (input) => {
        // Before each input: the garbage of ten thousand earlier ones is not what this one takes.
        const rest = process.memoryUsage.rss()
        const started = performance.now()
        await read(input)
        const took = (performance.now() - started) / 1000
        if (took > LONGEST) throw new Error(`took ${took.toFixed(1)} s`)
        const more = (process.memoryUsage.rss() - rest) / 1e6
        if (more > LARGEST) throw new Error(`took ${more.toFixed(0)} MB more than at rest`)
      })
      const limit = { interruptAfterTimeLimit: 1000 * seconds, markInterruptAsFailure: false }
      await fc.assert(property, { seed, numRuns: 2 ** 31, endOnFailure: false, ...limit })
    },
    (seconds + 120) * 1000
  )
}

/** Bytes with a few of them changed, cut out, doubled or cut off: what breaks readers of a format that noise does not get past. */
export const spoilt = (sound: Uint8Array): fc.Arbitrary<Buffer> => {
  const place = fc.nat({ max: sound.length - 1 })
  const number = fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x7fffffff, -1, -0x80000000)
  const change = fc.oneof(
    fc.record({ kind: fc.constant("flip" as const), at: place, bit: fc.nat({ max: 7 }) }),
    fc.record({ kind: fc.constant("byte" as const), at: place, value: fc.nat({ max: 255 }) }),
    fc.record({ kind: fc.constant("int32" as const), at: place, value: number }),
    fc.record({ kind: fc.constant("remove" as const), at: place, count: fc.nat({ max: 16 }) }),
    fc.record({ kind: fc.constant("repeat" as const), at: place, count: fc.nat({ max: 64 }) }),
    fc.record({ kind: fc.constant("cut" as const), at: place })
  )
  return fc.array(change, { minLength: 1, maxLength: 6 }).map((changes) => {
    let bytes = Buffer.from(sound)
    for (const { at, ...what } of changes) {
      if (at >= bytes.length) continue
      if (what.kind === "flip") bytes[at]! ^= 1 << what.bit
      else if (what.kind === "byte") bytes[at] = what.value
      else if (what.kind === "int32" && at + 4 <= bytes.length) bytes.writeInt32LE(what.value, at)
      else if (what.kind === "remove") bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + what.count)])
      else if (what.kind === "repeat") bytes = Buffer.concat([bytes.subarray(0, at + what.count), bytes.subarray(at)])
      else if (what.kind === "cut") bytes = bytes.subarray(0, at)
    }
    return bytes
  })
}

/** Texts that are mostly made of what a format sets store by. */
export const textOf = (words: ReadonlyArray<string>, maxLength = 60): fc.Arbitrary<string> =>
  fc
    .array(fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...words) }, fc.string({ unit: "binary", maxLength: 4 })), {
      maxLength
    })
    .map((parts) => parts.join(""))
