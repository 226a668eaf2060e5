import { product } from "../../graph/dims.ts"
import type { Tensor } from "../../graph/Graph.ts"
import {
  blockOf,
  blocksOf,
  dense,
  denseSpecs,
  dropped,
  layerNormOf,
  normSpecs,
  weightSpec
} from "../../network/layers.ts"
import type { Network, NetworkContext } from "../../network/Network.ts"
import { add } from "../../ops/add.ts"
import { attention } from "../../ops/attention.ts"
import { addFirstRows, embedding } from "../../ops/embedding.ts"
import { gelu } from "../../ops/gelu.ts"
import { clsToken } from "../../ops/pooling.ts"
import { relu } from "../../ops/relu.ts"
import { type Rows, rowsOf } from "../bert/bert.ts"
import type { WeightSpec } from "../bert/weights.ts"
import type { DistilbertConfig } from "./config.ts"

const EPS = 1e-12
const EMBEDDINGS = "distilbert.embeddings"

function blockSpecs({ dim: C, hidden_dim: F }: DistilbertConfig, block: number): Array<WeightSpec> {
  const prefix = `distilbert.transformer.layer.${block}`
  return [
    ...["q_lin", "k_lin", "v_lin", "out_lin"].flatMap((name) => denseSpecs(`${prefix}.attention.${name}`, C, C)),
    ...normSpecs(`${prefix}.sa_layer_norm`, C),
    ...denseSpecs(`${prefix}.ffn.lin1`, F, C),
    ...denseSpecs(`${prefix}.ffn.lin2`, C, F),
    ...normSpecs(`${prefix}.output_layer_norm`, C)
  ]
}

/** What a file's tensor is called here; the language head of pre-trained files is not part of a classifier. */
function canonicalName(fileName: string): string | null {
  if (/^vocab_|position_ids$/.test(fileName)) return null
  return /^(embeddings|transformer)\./.test(fileName) ? `distilbert.${fileName}` : fileName
}

function embed(c: NetworkContext, config: DistilbertConfig, rows: Rows, inputIds: Tensor): Tensor {
  const { g, weight } = c
  return g.scope("embeddings", () => {
    const table = weight(`${EMBEDDINGS}.word_embeddings.weight`)
    const words = embedding(g, { table }, { indices: g.reshape(inputIds, [product(inputIds.shape)]) }).y
    const placed = addFirstRows(g, { x: words, table: weight(`${EMBEDDINGS}.position_embeddings.weight`) }, rows).y
    return dropped(c, config.dropout, EMBEDDINGS, 0, layerNormOf(c, `${EMBEDDINGS}.LayerNorm`, placed, EPS))
  })
}

/** @param x float32 [B*T, C] @returns float32 [B*T, C] */
function block(c: NetworkContext, config: DistilbertConfig, rows: Rows, index: number, x: Tensor): Tensor {
  const { g } = c
  const prefix = `distilbert.transformer.layer.${index}`
  const site = 1 + 3 * index
  return g.scope(prefix, () => {
    const part = (name: string) => dense(c, `${prefix}.attention.${name}`, x)
    const options = {
      heads: config.n_heads,
      bias: rows.bias,
      dropout: c.dropoutAt(config.attention_dropout, prefix, site)
    }
    const seen = attention(g, { q: part("q_lin"), k: part("k_lin"), v: part("v_lin") }, options).y
    const mixed = dense(c, `${prefix}.attention.out_lin`, seen)
    const middle = layerNormOf(c, `${prefix}.sa_layer_norm`, add(g, { a: mixed, b: x }).y, EPS)
    const wide = gelu(g, { x: dense(c, `${prefix}.ffn.lin1`, middle) }).y
    const narrow = dropped(c, config.dropout, prefix, site + 2, dense(c, `${prefix}.ffn.lin2`, wide))
    return layerNormOf(c, `${prefix}.output_layer_norm`, add(g, { a: narrow, b: middle }).y, EPS)
  })
}

/**
 * DistilBertForSequenceClassification: the first token through dense, relu and dense. Feeds `input_ids` and `attention_mask`, int32 [B, T].
 *
 * Source: transformers' `modeling_distilbert.py`. Golden: tiny-families/distilbert.
 */
export function distilbertForSequences(config: DistilbertConfig, labels: number): Network {
  const { dim: C, n_layers } = config
  return {
    parameters: [
      weightSpec(`${EMBEDDINGS}.word_embeddings`, config.vocab_size, C),
      weightSpec(`${EMBEDDINGS}.position_embeddings`, config.max_position_embeddings, C),
      ...normSpecs(`${EMBEDDINGS}.LayerNorm`, C),
      ...blocksOf(n_layers, (index) => blockSpecs(config, index)),
      ...denseSpecs("pre_classifier", C, C),
      ...denseSpecs("classifier", labels, C)
    ],
    canonicalName,
    initializer_range: config.initializer_range,
    forward: (c) => {
      const { g } = c
      g.limit("length", config.max_position_embeddings)
      const ids = g.feed("input_ids", "int32", ["batch", "length"], { below: config.vocab_size })
      const rows = rowsOf(g, g.feed("attention_mask", "int32", ["batch", "length"], { below: 2 }))
      let x = embed(c, config, rows, ids)
      for (let index = 0; index < n_layers; index++) x = blockOf(c, x, (inner) => block(c, config, rows, index, inner))
      return g.scope("head", () => {
        const turned = relu(g, { x: dense(c, "pre_classifier", clsToken(g, { x }, rows).y) }).y
        const kept = dropped(c, config.seq_classif_dropout, "classifier", 1 + 3 * n_layers, turned)
        return { logits: dense(c, "classifier", kept), labelShape: ["batch"] }
      })
    }
  }
}
