import { type BertConfig, classifierProgram, type Cut, defaultAdamW } from "@hone/nn"
import { Effect } from "effect"
import type { Head } from "../artifacts/manifest.ts"
import type { Model } from "../artifacts/model.ts"
import { attempt } from "../attempt.ts"
import { evaluationBatches } from "../tensors/batches.ts"
import { breathe, openSession, type TimedEngine } from "../tensors/engine.ts"
import type { InputFeeds } from "../tensors/feeds.ts"
import type { TargetKind } from "../tensors/outputs.ts"

export interface Prediction {
  readonly model: Model
  readonly head: Head
  /** What the head's logits become: one class of them, several labels, a number. */
  readonly kind: TargetKind
  readonly config: BertConfig
  readonly engine: TimedEngine
  /** [rows] tokens of each */
  readonly lengths: Int32Array
  readonly feeds: InputFeeds
  /** Where what `feeds` gives stands in the model; undefined for token ids. */
  readonly cut: Cut | undefined
  /** Whether `feeds` gives token types; left out, it does not. */
  readonly tokenTypes?: boolean
  readonly batchSize: number
  readonly done: (rows: number) => void
}

/**
 * Probabilities of each row, in the order of the head's labels; for a regression the number.
 * @returns float32 [rows, labels]
 */
export const predict = (work: Prediction) =>
  Effect.scoped(
    Effect.gen(function* () {
      const program = programOf(work)
      const session = yield* openSession(work.engine, program)
      const weights = new Map(program.parameters.map(({ name }) => [name, work.model.read(name)]))
      return yield* attempt(async () => {
        await session.write(weights)
        const width = work.head.labels.length
        const scores = new Float32Array(work.lengths.length * width)
        let done = 0
        for (const rows of evaluationBatches(work.lengths, work.batchSize)) {
          const labels = new Int32Array(rows.length) // the losses are not read
          const { logits } = await session.run("eval", { ...work.feeds(rows), labels })
          const activate = activations[work.kind]
          rows.forEach((row, at) => activate(logits as Float32Array, at * width, scores, row * width, width))
          work.done((done += rows.length))
          await breathe()
        }
        return scores
      })
    })
  )

/** The classifier; only its evaluation is run, and nothing of it trains. */
const programOf = ({ config, cut, head, tokenTypes }: Prediction) =>
  classifierProgram({
    config,
    head: { pooling: head.pooling, labels: head.labels.length, dropout: 0 },
    trainable: (name) => name.startsWith("classifier."),
    cut,
    token_types: tokenTypes,
    optimizer: defaultAdamW,
    max_grad_norm: null
  })

/** Of `width` logits from `from` on, into as many values of `target`. */
type Activation = (logits: Float32Array, from: number, target: Float32Array, to: number, width: number) => void

/** exp(x - max) / sum, in double precision, of `width` values from `from` on. */
const softmax: Activation = (logits, from, target, to, width) => {
  let largest = -Infinity
  for (let index = 0; index < width; index++) largest = Math.max(largest, logits[from + index]!)
  let sum = 0
  for (let index = 0; index < width; index++) sum += Math.exp(logits[from + index]! - largest)
  for (let index = 0; index < width; index++) target[to + index] = Math.exp(logits[from + index]! - largest) / sum
}

/** 1 / (1 + exp(-x)) of each. */
const sigmoid: Activation = (logits, from, target, to, width) => {
  for (let index = 0; index < width; index++) target[to + index] = 1 / (1 + Math.exp(-logits[from + index]!))
}

const asIs: Activation = (logits, from, target, to, width) => {
  for (let index = 0; index < width; index++) target[to + index] = logits[from + index]!
}

const activations: Readonly<Record<TargetKind, Activation>> = { classes: softmax, several: sigmoid, value: asIs }
