import { type BertConfig, classifierProgram, type Cut, defaultAdamW } from "@hone/nn"
import { Effect } from "effect"
import type { Head } from "../artifacts/manifest.ts"
import type { Model } from "../artifacts/model.ts"
import { attempt } from "../attempt.ts"
import { evaluationBatches } from "../tensors/batches.ts"
import { breathe, openSession, type TimedEngine } from "../tensors/engine.ts"
import type { InputFeeds } from "../tensors/feeds.ts"
import type { TargetKind } from "../tensors/outputs.ts"

/** A model with a head, and how it is fed. */
export interface Classifier {
  readonly model: Model
  readonly head: Head
  /** What the head's logits become: one class of them, several labels, a number. */
  readonly kind: TargetKind
  readonly config: BertConfig
  readonly engine: TimedEngine
  /** Where what the feeds give stands in the model; undefined for token ids. */
  readonly cut: Cut | undefined
  /** Whether the feeds give token types; left out, they do not. */
  readonly tokenTypes?: boolean
}

/** Rows to be predicted. */
export interface Unpredicted {
  /** [rows] tokens of each */
  readonly lengths: Int32Array
  readonly feeds: InputFeeds
  readonly batchSize: number
  readonly done: (rows: number) => void
}

/**
 * Loads a model into the engine until the scope ends; what it gives predicts any number of sets of rows. Opening once matters: an
 * engine does not give all memory of a session back.
 */
export const openClassifier = Effect.fnUntraced(function* (classifier: Classifier) {
  const program = programOf(classifier)
  const session = yield* openSession(classifier.engine, program)
  const weights = new Map(program.parameters.map(({ name }) => [name, classifier.model.read(name)]))
  yield* attempt(() => session.write(weights))
  const width = classifier.head.labels.length
  const activate = activations[classifier.kind]
  /**
   * Probabilities of each row, in the order of the head's labels; for a regression the number.
   * @returns float32 [rows, labels]
   */
  return ({ batchSize, done: tell, feeds, lengths }: Unpredicted) =>
    attempt(async () => {
      const scores = new Float32Array(lengths.length * width)
      let done = 0
      for (const rows of evaluationBatches(lengths, batchSize)) {
        const labels = new Int32Array(rows.length) // the losses are not read
        const { logits } = await session.run("eval", { ...feeds(rows), labels })
        rows.forEach((row, at) => activate(logits as Float32Array, at * width, scores, row * width, width))
        tell((done += rows.length))
        await breathe()
      }
      return scores
    })
})

/** One set of rows by a model that is loaded for them alone: see {@link openClassifier}. */
export const predict = (work: Classifier & Unpredicted) =>
  Effect.scoped(Effect.flatMap(openClassifier(work), (predictRows) => predictRows(work)))

/** The classifier; only its evaluation is run, and nothing of it trains. */
const programOf = ({ config, cut, head, tokenTypes }: Classifier) =>
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
