import { afterAll, assert, it } from "@effect/vitest"
import { type InputArtifact, StageError } from "@hone/core/Stage"
import { Effect, Schema } from "effect"
import { readModel } from "../artifacts/model.ts"
import { float64s, nullableFloat64s, readTable, strings } from "../arrow/reader.ts"
import { folderIn, makeBench, type RunOutcome, runStage } from "../testing/context.ts"
import { testEngine as engine, tinyModel, tinyRows, tokensArtifact } from "../testing/models.ts"
import { wordPieces } from "../testing/tokenizers.ts"
import { train } from "./index.ts"
import { maskRow, maskSeed, type MaskableVocabulary } from "./masking.ts"
import { TrainParams } from "./params.ts"

const bench = makeBench()
afterAll(() => bench.dispose())
const blobPath = (blob: string) => bench.blobs.get(blob)!

const vocabulary: MaskableVocabulary = {
  mask: 3,
  special: new Set([0, 1, 2, 3]),
  continues: (id) => id >= 90,
  size: 100
}
const long = Int32Array.from({ length: 400 }, (_, at) => (at === 0 ? 1 : 4 + ((at * 7) % 80)))

it("15 % of the tokens are to be guessed: 80 % of them masked, 10 % random, 10 % as they were; special ones never", () => {
  let [masked, kept, random] = [0, 0, 0]
  for (let epoch = 0; epoch < 50; epoch++) {
    const row = maskRow(long, vocabulary, { probability: 0.15, wholeWords: true }, maskSeed(1, epoch, 0))
    assert.strictEqual(row.places.length, Math.round(399 * 0.15))
    assert.notInclude(row.places, 0)
    const places = new Set(row.places)
    row.ids.forEach((id, at) => {
      if (!places.has(at)) assert.strictEqual(id, long[at])
      else if (id === 3) masked++
      else if (id === long[at]) kept++
      else {
        assert.isAbove(id, 3)
        random++
      }
    })
  }
  const all = masked + kept + random
  assert.closeTo(masked / all, 0.8, 0.03)
  // A random token is the one that stood there once in 96 times.
  assert.closeTo(kept / all, 0.1, 0.03)
  assert.closeTo(random / all, 0.1, 0.03)
})

it("the pieces of a word are masked together, unless asked otherwise; masks hang on seed, epoch and row alone", () => {
  const ids = Int32Array.of(1, 10, 90, 91, 11, 12, 92, 13, 14, 15, 16, 17, 2)
  const groups = [[1, 2, 3], [4], [5, 6], [7], [8], [9], [10], [11]]
  const options = { probability: 0.3, wholeWords: true }
  const apart: Array<boolean> = []
  for (let epoch = 0; epoch < 40; epoch++) {
    const { ids: masked, places } = maskRow(ids, vocabulary, options, maskSeed(3, epoch, 5))
    for (const group of groups)
      assert.include([0, group.length], group.filter((place) => places.includes(place)).length)
    assert.deepStrictEqual(maskRow(ids, vocabulary, options, maskSeed(3, epoch, 5)).ids, masked)
    const single = maskRow(ids, vocabulary, { ...options, wholeWords: false }, maskSeed(3, epoch, 5)).places
    apart.push(single.includes(2) !== single.includes(3))
  }
  assert.include(apart, true)
  const placesAt = (seed: number, epoch: number, row: number) =>
    maskRow(long, vocabulary, options, maskSeed(seed, epoch, row)).places.join()
  assert.strictEqual(new Set([placesAt(1, 0, 0), placesAt(1, 1, 0), placesAt(1, 0, 1), placesAt(2, 0, 0)]).size, 4)
})

it("a row of one long word is learned from all the same", () => {
  const { places } = maskRow(
    Int32Array.of(1, 10, 90, 91, 92, 2),
    vocabulary,
    { probability: 0.15, wholeWords: true },
    1
  )
  assert.deepStrictEqual(places, [1, 2, 3, 4])
})

/** Texts with a law that can be learned: a row says one of four tokens over and over. */
const chains = (count: number, first: number) =>
  tinyRows(count, first).map(({ row_id }, row) => ({
    row_id,
    label: "none",
    input_ids: [1, ...Array.from({ length: 8 }, (_, at) => 10 + (row % 4) + (at % 2) * 10), 2]
  }))

const settings = {
  objective: "mlm",
  learning_rate: 5e-3,
  batch_size: 8,
  epochs: 10,
  early_stopping: false,
  hidden_dropout: 0,
  attention_dropout: 0,
  whole_word_masking: false
}
const [learned, held] = [tokensArtifact(bench, chains(64, 0)), tokensArtifact(bench, chains(24, 500))]

const preTrain = (options: {
  readonly with?: Record<string, unknown>
  readonly checkpoints?: string
  readonly model?: InputArtifact
  readonly tokenizer?: InputArtifact
  readonly onStep?: (step: number) => void
}) =>
  runStage(bench, train, {
    stage: "fit",
    engine,
    seed: 9,
    with: { ...settings, ...options.with },
    inputs: {
      model: options.model ?? tinyModel(bench),
      train: learned,
      validation: held,
      tokenizer: options.tokenizer ?? wordPieces(bench)
    },
    onProgress: ({ done }) => options.onStep?.(done),
    ...(options.checkpoints === undefined ? {} : { checkpoints: options.checkpoints })
  })

const evaluations = (outcome: RunOutcome) => {
  const table = readTable(outcome.outputs["history"]!)
  const places = strings(table, "part").flatMap((part, row) => (part === "validation" ? [row] : []))
  return places.map((row) => ({
    loss: float64s(table, "loss")[row]!,
    accuracy: nullableFloat64s(table, "accuracy")[row]!
  }))
}

it.effect(
  "masked tokens are guessed ever better; the heads that guess flow on, and a classifier leaves them behind",
  () =>
    Effect.gen(function* () {
      const base = tinyModel(bench, { head: { pooling: "mean", labels: ["a", "b"], dropout: 0 } })
      const outcome = yield* preTrain({ model: base, with: { learning_rate: 1e-2, epochs: 20, mlm_probability: 0.25 } })
      const [first, last] = [evaluations(outcome)[0]!, evaluations(outcome).at(-1)!]
      assert.isBelow(last.loss, first.loss - 0.5)
      assert.isAbove(last.accuracy, first.accuracy)
      const [before, after] = [readModel(base, blobPath), readModel(outcome.outputs["model"]!, blobPath)]
      assert.isNull(after.manifest.head)
      const names = (of: typeof after) => of.tensors.map(({ name }) => name)
      assert.deepStrictEqual(
        names(after).filter((name) => !name.startsWith("cls.")),
        names(before).filter((name) => !name.startsWith("classifier."))
      )
      // A further training of masked tokens starts where this one ended.
      const further = yield* preTrain({
        model: outcome.outputs["model"]!,
        with: { learning_rate: 1e-6, epochs: 1, mlm_probability: 0.25 }
      })
      assert.closeTo(evaluations(further)[0]!.loss, last.loss, 0.02)
      assert.notDeepEqual(
        after.read("embeddings.word_embeddings.weight"),
        before.read("embeddings.word_embeddings.weight")
      )
      // What continues from it is a training of a classifier as from any base.
      const rows = tokensArtifact(bench, tinyRows(40))
      const tuned = yield* runStage(bench, train, {
        stage: "fit",
        engine,
        with: { epochs: 1, batch_size: 8 },
        inputs: { model: outcome.outputs["model"]!, train: rows, validation: rows }
      })
      const classifier = readModel(tuned.outputs["model"]!, blobPath)
      assert.deepStrictEqual(classifier.manifest.head?.labels, ["neg", "pos"])
      assert.isFalse(names(classifier).some((name) => name.startsWith("cls.")))
    })
)

it.effect("k micro-batches give the steps of one batch, and an interrupted training the bytes of a straight one", () =>
  Effect.gen(function* () {
    const plain = { epochs: 2, learning_rate: 1e-3 }
    const whole = yield* preTrain({ with: { ...plain, batch_size: 16, group_by_length: false } })
    const cut = { ...plain, batch_size: 4, gradient_accumulation_steps: 4, group_by_length: false }
    const parts = yield* preTrain({ with: cut })
    evaluations(whole).forEach(({ loss }, at) => assert.closeTo(evaluations(parts)[at]!.loss, loss, 1e-3))

    const checkpoints = folderIn(bench, "mlm-checkpoints")
    const doomed = preTrain({
      with: { ...plain, checkpoint_every: 3 },
      checkpoints,
      onStep: (step) => {
        if (step === 11) throw new Error("pulled the plug")
      }
    })
    yield* Effect.exit(doomed)
    const resumed = yield* preTrain({ with: { ...plain, checkpoint_every: 3 }, checkpoints })
    const straight = yield* preTrain({ with: plain })
    assert.isAbove(Number(resumed.counts["resumed_at_step"]), 0)
    assert.strictEqual(resumed.outputs["model"]!.blob, straight.outputs["model"]!.blob)
    assert.strictEqual(resumed.outputs["history"]!.blob, straight.outputs["history"]!.blob)
  })
)

it.effect(
  "frozen blocks keep their bytes; a model of which nothing would be kept, and a tokenizer without masks, are refused",
  () =>
    Effect.gen(function* () {
      const partial = tinyModel(bench, { strategy: { partial: { last_blocks: 1 } }, frozen_blocks: 2 })
      const outcome = yield* preTrain({ model: partial, with: { epochs: 1 } })
      const [before, after] = [readModel(partial, blobPath), readModel(outcome.outputs["model"]!, blobPath)]
      const digests = new Map(after.tensors.map(({ digest, name }) => [name, digest]))
      const changed = before.tensors.filter(({ digest, name }) => digests.get(name) !== digest)
      assert.isTrue(changed.length > 0 && changed.every(({ name }) => name.startsWith("encoder.layer.2.")))
      const code = (options: Parameters<typeof preTrain>[0]) =>
        Effect.map(Effect.flip(preTrain(options)), (error) => (error as StageError).code)
      const headOnly = tinyModel(bench, { strategy: "head", frozen_blocks: 3 })
      assert.strictEqual(yield* code({ model: headOnly }), "nothing_trains")
      assert.strictEqual(yield* code({ tokenizer: wordPieces(bench, { added_tokens: [] }) }), "no_mask_token")
      assert.strictEqual(
        yield* code({ tokenizer: wordPieces(bench, { model: { type: "BPE", vocab: {} } }) }),
        "no_mask_token"
      )
    })
)

it("rows without a label are for mlm, which needs the tokenizer; its model has no head", () => {
  const types = (params: Record<string, unknown>, more: object = {}) =>
    train.types({
      params: Schema.decodeUnknownSync(TrainParams)(params),
      inputs: { train: { kind: "tokens", columns: { row_id: { type: "utf8", nullable: false } } }, ...more },
      heads: {}
    })
  assert.match(types({}).faults[0]!.message, /the rows at `train` have no label/)
  assert.match(types({ objective: "mlm" }).faults[0]!.hint, /tokenizer: base.tokenizer/)
  const { faults, outputs } = types({ objective: "mlm" }, { tokenizer: { kind: "tokenizer" } })
  assert.deepStrictEqual(faults, [])
  assert.strictEqual(outputs["model"]!.head, false)
})
