import { Philox } from "../../random/philox.ts"
import type { BertConfig } from "./config.ts"

/** How a classification head reads a row: `pooler` is tanh(dense([CLS])), as BERT was pre-trained; `mean` is the mean over real tokens. */
export type Pooling = "pooler" | "mean"

export interface HeadOptions {
  readonly pooling: Pooling
  /** Number of classes. */
  readonly labels: number
  /** Before the classifier, in training. Default: the config's classifier_dropout, else the hidden dropout. */
  readonly dropout?: number
}

/** A tensor of a model's file, under Hugging Face's name, as PyTorch lays it out. */
export interface WeightSpec {
  readonly name: string
  readonly shape: ReadonlyArray<number>
}

const dense = (name: string, outputs: number, inputs: number): Array<WeightSpec> => [
  { name: `${name}.weight`, shape: [outputs, inputs] },
  { name: `${name}.bias`, shape: [outputs] }
]

const norm = (name: string, width: number): Array<WeightSpec> => [
  { name: `${name}.weight`, shape: [width] },
  { name: `${name}.bias`, shape: [width] }
]

export function embeddingWeights(config: BertConfig): Array<WeightSpec> {
  const { hidden_size: C } = config
  return [
    { name: "embeddings.word_embeddings.weight", shape: [config.vocab_size, C] },
    { name: "embeddings.position_embeddings.weight", shape: [config.max_position_embeddings, C] },
    { name: "embeddings.token_type_embeddings.weight", shape: [config.type_vocab_size, C] },
    ...norm("embeddings.LayerNorm", C)
  ]
}

export function blockWeights(config: BertConfig, block: number): Array<WeightSpec> {
  const { hidden_size: C, intermediate_size: F } = config
  const prefix = `encoder.layer.${block}`
  return [
    ...dense(`${prefix}.attention.self.query`, C, C),
    ...dense(`${prefix}.attention.self.key`, C, C),
    ...dense(`${prefix}.attention.self.value`, C, C),
    ...dense(`${prefix}.attention.output.dense`, C, C),
    ...norm(`${prefix}.attention.output.LayerNorm`, C),
    ...dense(`${prefix}.intermediate.dense`, F, C),
    ...dense(`${prefix}.output.dense`, C, F),
    ...norm(`${prefix}.output.LayerNorm`, C)
  ]
}

export const poolerWeights = (config: BertConfig): Array<WeightSpec> =>
  dense("pooler.dense", config.hidden_size, config.hidden_size)

export const classifierWeights = (config: BertConfig, labels: number): Array<WeightSpec> =>
  dense("classifier", labels, config.hidden_size)

/** The head that guesses masked tokens, but for the word embeddings, which it shares. */
export const maskedLmWeights = (config: BertConfig): Array<WeightSpec> => [
  ...dense("cls.predictions.transform.dense", config.hidden_size, config.hidden_size),
  ...norm("cls.predictions.transform.LayerNorm", config.hidden_size),
  { name: "cls.predictions.bias", shape: [config.vocab_size] }
]

/** The head that tells whether the second text of a row goes on from the first. It reads the pooler. */
export const nextSentenceWeights = (config: BertConfig): Array<WeightSpec> =>
  dense("cls.seq_relationship", 2, config.hidden_size)

/** Embeddings, blocks and pooler: what a BertModel's file holds. */
export function bertWeights(config: BertConfig): Array<WeightSpec> {
  const blocks = Array.from({ length: config.num_hidden_layers }, (_, block) => blockWeights(config, block))
  return [...embeddingWeights(config), ...blocks.flat(), ...poolerWeights(config)]
}

/** Embeddings, blocks and head: what a classifier is made of. */
export function classifierModelWeights(config: BertConfig, head: HeadOptions): Array<WeightSpec> {
  const pooler = poolerWeights(config)
  const body = bertWeights(config).slice(0, -pooler.length)
  return [...body, ...(head.pooling === "pooler" ? pooler : []), ...classifierWeights(config, head.labels)]
}

/** What a file has against what a model needs. */
export interface WeightMatch {
  /** The model's name to the file's name. */
  readonly found: ReadonlyMap<string, string>
  readonly missing: ReadonlyArray<string>
  readonly leftOver: ReadonlyArray<string>
  readonly wrongShape: ReadonlyArray<{
    readonly name: string
    readonly expected: ReadonlyArray<number>
    readonly actual: ReadonlyArray<number>
  }>
}

/** The model's name for a tensor of a file: without the task model's prefix, norms as PyTorch names them. */
export const canonicalName = (name: string): string =>
  name
    .replace(/^bert\./, "")
    .replace(/LayerNorm\.gamma$/, "LayerNorm.weight")
    .replace(/LayerNorm\.beta$/, "LayerNorm.bias")

/** Buffers that some versions of transformers save beside the weights, and that are computed here. */
const isBuffer = (name: string): boolean => /^embeddings\.(position_ids|token_type_ids)$/.test(name)

/** Matches a file's tensors with a model's, by name and shape. Nothing is left unsaid: see `missing` and `leftOver`. */
export function matchWeights(needed: ReadonlyArray<WeightSpec>, file: Iterable<WeightSpec>): WeightMatch {
  const expected = new Map(needed.map((spec) => [spec.name, spec]))
  const found = new Map<string, string>()
  const leftOver: Array<string> = []
  const wrongShape: Array<WeightMatch["wrongShape"][number]> = []
  for (const { name: fileName, shape } of file) {
    const name = canonicalName(fileName)
    if (isBuffer(name)) continue
    const spec = expected.get(name)
    if (spec === undefined || found.has(name)) leftOver.push(fileName)
    else {
      found.set(name, fileName)
      if (spec.shape.join() !== shape.join()) wrongShape.push({ name: fileName, expected: spec.shape, actual: shape })
    }
  }
  return { found, leftOver, missing: needed.map(({ name }) => name).filter((name) => !found.has(name)), wrongShape }
}

/**
 * Fresh weights: matrices normal(0, initializer_range), norms 1, biases 0; a pure function of names, shapes and seed.
 *
 * Source: transformers' `BertPreTrainedModel._init_weights`.
 *
 * @param seed a whole number below 2^32
 */
export function initialWeights(
  config: BertConfig,
  specs: ReadonlyArray<WeightSpec>,
  seed: number
): Map<string, Float32Array> {
  return new Map(
    specs.map(({ name, shape }, index) => {
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1))
      if (/LayerNorm\.weight$/.test(name)) values.fill(1)
      else if (!name.endsWith("bias")) Philox.fromSeed(seed, index).fillNormal(values, config.initializer_range)
      return [name, values] as const
    })
  )
}
