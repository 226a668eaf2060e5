import { assert, it } from "@effect/vitest"
import { maskSeed } from "./masking.ts"
import { drawPair, type Passage, passagesOf, sentencesOf } from "./sentencePairs.ts"

const STOP = 9
/** Documents of sentences: 100 * document + sentence, three times, and a full stop. */
const documents = Array.from({ length: 5 }, (_, document) =>
  Array.from({ length: 3 + document }, (_, at) => Int32Array.of(...Array(3).fill(100 * (document + 1) + at), STOP))
)
const specials = { cls: 1, sep: 2 }

it("sentences end behind full stops, runs of them and the quotes that close them; the rest is one more", () => {
  const marks = { enders: new Set([9]), closers: new Set([8]) }
  const cut = (...ids: ReadonlyArray<number>) => sentencesOf(Int32Array.from(ids), marks).map((ids) => [...ids])
  assert.deepStrictEqual(cut(20, 21, 9, 9, 8, 22, 9, 23), [[20, 21, 9, 9, 8], [22, 9], [23]])
  assert.deepStrictEqual(cut(8, 20, 9), [[8, 20, 9]])
  assert.deepStrictEqual(cut(), [])
})

it("passages take segments in their order, two at least, each once; a document of one segment gives none", () => {
  const passages = passagesOf([...documents, [Int32Array.of(999, STOP)]], 10)
  const told = (passage: Passage) => passage.segments.map((ids) => ids[0])
  documents.forEach((segments, document) => {
    const own = passages.filter((passage) => passage.document === document)
    assert.deepStrictEqual(
      own.flatMap(told),
      segments.map((ids) => ids[0])
    )
  })
  assert.isTrue(passages.every(({ segments }) => segments.length >= 2))
  assert.isFalse(passages.some(({ document }) => document === 5))
})

it("half of the second texts go on from the first, the others are of another document; drawn anew from seed and epoch", () => {
  const passages = passagesOf(documents, 14)
  let next = 0
  let draws = 0
  const cuts = new Set<number>()
  for (let epoch = 0; epoch < 200; epoch++) {
    passages.forEach((passage, at) => {
      const seed = maskSeed(4, epoch, at)
      const { ids, label, types } = drawPair(passages, at, 14, specials, seed)
      assert.deepStrictEqual(drawPair(passages, at, 14, specials, seed).ids, ids)
      assert.isAtMost(ids.length, 14 + 3)
      const border = ids.indexOf(2)
      assert.deepStrictEqual([ids[0], ids.at(-1)], [1, 2])
      assert.deepStrictEqual(
        [...types],
        [...ids.keys()].map((place) => (place <= border ? 0 : 1))
      )
      const words = (from: number, to: number) => [...ids.subarray(from, to)].filter((id) => id >= 100)
      const [first, second] = [words(1, border), words(border + 1, ids.length - 1)]
      const documentOf = (id: number) => Math.floor(id / 100)
      assert.isTrue(first.every((id) => documentOf(id) === passage.document + 1))
      assert.isTrue(
        second.length > 0 && second.every((id) => (documentOf(id) === passage.document + 1) === (label === 0))
      )
      if (label === 0) assert.isAtLeast(second[0]! - first.at(-1)!, 0)
      cuts.add(border)
      next += label === 0 ? 1 : 0
      draws++
    })
  }
  assert.closeTo(next / draws, 0.5, 0.03)
  assert.isAbove(cuts.size, 1)
})

it("what stands in for the rest is about as long, so that length tells nothing", () => {
  const passages = passagesOf(documents, 100)
  const lengths: Record<0 | 1, Array<number>> = { 0: [], 1: [] }
  for (let epoch = 0; epoch < 400; epoch++)
    passages.forEach((_, at) => {
      const { ids, label } = drawPair(passages, at, 100, specials, maskSeed(1, epoch, at))
      lengths[label].push(ids.length - ids.indexOf(2))
    })
  const mean = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0) / values.length
  assert.isBelow(Math.abs(mean(lengths[0]) - mean(lengths[1])), 1.5)
})
