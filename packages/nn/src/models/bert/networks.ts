import type { Tensor } from "../../graph/Graph.ts"
import { embedding } from "../../ops/embedding.ts"
import { gelu } from "../../ops/gelu.ts"
import { biasAdd } from "../../ops/biasAdd.ts"
import { blockOf, dense, dropped, layerNormOf } from "../../network/layers.ts"
import type { Network, NetworkContext, NetworkOutput } from "../../network/Network.ts"
import { project } from "../../ops/project.ts"
import { tanh } from "../../ops/tanh.ts"
import { bertBlock, type BertContext, bertEmbeddings, bertHead, bertPool, type Rows, rowsOf } from "./bert.ts"
import type { BertConfig } from "./config.ts"
import {
  bertWeights,
  canonicalName,
  classifierWeights,
  maskedLmWeights,
  nextSentenceWeights,
  poolerWeights,
  type WeightSpec
} from "./weights.ts"

const prefixed = (name: string): string => (/^(classifier|cls)\./.test(name) ? name : `bert.${name}`)

const withPrefix = (specs: ReadonlyArray<WeightSpec>): Array<WeightSpec> =>
  specs.map(({ name, shape }) => ({ name: prefixed(name), shape }))

/** Embeddings and blocks without the pooler. */
const bodyWeights = (config: BertConfig): Array<WeightSpec> =>
  bertWeights(config).slice(0, -poolerWeights(config).length)

const isBuffer = /(^|\.)(position_ids|token_type_ids)$|^cls\.(predictions\.decoder|seq_relationship)\./

/** Task models also hold parts that the task does not use: a pooler, the head of next sentences. */
function fileName(name: string): string | null {
  const canonical = canonicalName(name)
  return isBuffer.test(canonical) ? null : prefixed(canonical)
}

/** A network's context as BERT's parts want it: names without the task model's prefix, the config's rates. */
export function bertContext(c: NetworkContext, config: BertConfig, prefix: (name: string) => string): BertContext {
  const rates = {
    hidden: config.hidden_dropout_prob,
    attention: config.attention_probs_dropout_prob,
    classifier: config.classifier_dropout ?? config.hidden_dropout_prob
  }
  return {
    g: c.g,
    config,
    weight: (name) => c.weight(prefix(name)),
    dropoutAt: (kind, part, site) => c.dropoutAt(rates[kind], prefix(`${part}.`).slice(0, -1), site),
    adapt: (layer, x, y) => c.adapt(prefix(layer), x, y)
  }
}

/** Feeds `input_ids`, `attention_mask`, `token_type_ids`, all int32 [B, T]; the last hidden state [B*T, C]. */
function encode(
  c: NetworkContext,
  config: BertConfig
): { readonly b: BertContext; readonly rows: Rows; readonly x: Tensor } {
  const { g } = c
  const shape = ["batch", "length"]
  const b = bertContext(c, config, prefixed)
  g.limit("length", config.max_position_embeddings)
  const ids = g.feed("input_ids", "int32", shape, { below: config.vocab_size })
  const types = g.feed("token_type_ids", "int32", shape, { below: config.type_vocab_size })
  const rows = rowsOf(g, g.feed("attention_mask", "int32", shape, { below: 2 }))
  let x = bertEmbeddings(b, rows, ids, types)
  for (let block = 0; block < config.num_hidden_layers; block++)
    x = blockOf(c, x, (inner) => bertBlock(b, rows, block, inner))
  return { b, rows, x }
}

/** BertForSequenceClassification: one label a row. With one label it is a regression, under that objective. */
export function bertForSequences(config: BertConfig, labels: number): Network {
  return {
    parameters: withPrefix([...bertWeights(config), ...classifierWeights(config, labels)]),
    canonicalName: fileName,
    initializer_range: config.initializer_range,
    forward: (c): NetworkOutput => {
      const { b, rows, x } = encode(c, config)
      return { logits: bertHead(b, "pooler", bertPool(b, rows, "pooler", x)), labelShape: ["batch"] }
    }
  }
}

/** BertForTokenClassification: a label for each token. */
export function bertForTokens(config: BertConfig, labels: number): Network {
  return {
    parameters: withPrefix([...bodyWeights(config), ...classifierWeights(config, labels)]),
    canonicalName: fileName,
    initializer_range: config.initializer_range,
    forward: (c) => {
      const { x } = encode(c, config)
      const rate = config.classifier_dropout ?? config.hidden_dropout_prob
      const kept = dropped(c, rate, "classifier", 1 + 3 * config.num_hidden_layers, x)
      return { logits: c.g.scope("head", () => dense(c, "classifier", kept)), labelShape: ["batch", "length"] }
    }
  }
}

const TRANSFORM = "cls.predictions.transform"

export interface MaskedLmOptions {
  /** Logits of some tokens alone: feeds `positions` int32 [M], each a row times the length plus a place. Labels are then [M]. */
  readonly at: "all" | "positions"
  /** BertForPreTraining: a further head `next_sentence`, with a label for each row: 0 where the second text goes on from the first, else 1. */
  readonly next_sentence?: boolean | undefined
}

/** Names of a file as they are; the decoder is the word embeddings. */
const pretrainingFileName =
  (next_sentence: boolean) =>
  (name: string): string | null =>
    next_sentence && name.startsWith("cls.seq_relationship.") ? name : fileName(name)

/** BertForMaskedLM: which token stood there, by a head that shares the word embeddings. With `next_sentence` BertForPreTraining. */
export function bertForMaskedLm(
  config: BertConfig,
  { at, next_sentence = false }: MaskedLmOptions = { at: "all" }
): Network {
  return {
    parameters: [
      ...withPrefix(next_sentence ? bertWeights(config) : bodyWeights(config)),
      ...maskedLmWeights(config),
      ...(next_sentence ? nextSentenceWeights(config) : [])
    ],
    canonicalName: pretrainingFileName(next_sentence),
    initializer_range: config.initializer_range,
    forward: (c) => {
      const { g, weight } = c
      const { b, rows, x: all } = encode(c, config)
      const x =
        at === "all" ? all : embedding(g, { table: all }, { indices: g.feed("positions", "int32", ["masked"]) }).y
      const further = next_sentence
        ? [{ name: "next_sentence", logits: nextSentence(c, bertPool(b, rows, "pooler", all)), labelShape: ["batch"] }]
        : undefined
      return g.scope("head", () => {
        const turned = gelu(g, { x: dense(c, `${TRANSFORM}.dense`, x) }).y
        const normal = layerNormOf(c, `${TRANSFORM}.LayerNorm`, turned, config.layer_norm_eps)
        const scores = project(g, { x: normal, weight: weight("bert.embeddings.word_embeddings.weight") }).y
        const { y } = biasAdd(g, { x: scores, bias: weight("cls.predictions.bias") })
        return { logits: y, labelShape: at === "all" ? ["batch", "length"] : ["masked"], further }
      })
    }
  }
}

/** @param first float32 [B, C], the hidden states of the first tokens */
const nextSentence = (c: NetworkContext, first: Tensor): Tensor =>
  c.g.scope("next_sentence", () => {
    const pooled = tanh(c.g, { x: dense(c, "bert.pooler.dense", first) }).y
    return dense(c, "cls.seq_relationship", pooled)
  })
