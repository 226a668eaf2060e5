import { product } from "../../graph/dims.ts"
import type { Tensor } from "../../graph/Graph.ts"
import { blockOf, dense, denseSpecs, dropped, layerNormOf } from "../../network/layers.ts"
import type { Network, NetworkContext } from "../../network/Network.ts"
import { add } from "../../ops/add.ts"
import { countedTokens } from "../../ops/countedPositions.ts"
import { addFirstRow, embedding } from "../../ops/embedding.ts"
import { clsToken } from "../../ops/pooling.ts"
import { tanh } from "../../ops/tanh.ts"
import { bertBlock, rowsOf } from "../bert/bert.ts"
import { bertContext } from "../bert/networks.ts"
import { bertWeights, poolerWeights } from "../bert/weights.ts"
import type { RobertaConfig } from "./config.ts"

const prefixed = (name: string): string => (name.startsWith("classifier.") ? name : `roberta.${name}`)

/** What a file's tensor is called here. Poolers and language heads of pre-trained files are not part of a classifier. */
function canonicalName(fileName: string): string | null {
  const name = fileName.replace(/^roberta\./, "")
  if (/^(pooler|lm_head)\.|position_ids$|token_type_ids$/.test(name)) return null
  return prefixed(name)
}

/**
 * Positions of real tokens count from `pad_token_id` + 1; padding stands at `pad_token_id`. What is padding is read off the ids.
 *
 * Source: transformers' `create_position_ids_from_input_ids`.
 *
 * @param inputIds int32 [B, T]
 * @returns int32 [B*T]
 */
function positionsOf({ g }: NetworkContext, inputIds: Tensor, padTokenId: number): Tensor {
  const real = g.cast(g.notEqual(inputIds, g.int(padTokenId)), "float32")
  const counted = g.add(g.mul(countedTokens(g, real), real), g.scalar(padTokenId))
  return g.cast(g.reshape(counted, [product(inputIds.shape)]), "int32")
}

/** @returns float32 [B*T, C] */
function embed(c: NetworkContext, config: RobertaConfig, inputIds: Tensor): Tensor {
  const { g, weight } = c
  const table = (name: string) => weight(`roberta.embeddings.${name}.weight`)
  return g.scope("embeddings", () => {
    const indices = g.reshape(inputIds, [product(inputIds.shape)])
    const words = embedding(g, { table: table("word_embeddings") }, { indices }).y
    const typed = addFirstRow(g, { x: words, table: table("token_type_embeddings") }).y
    const positions = positionsOf(c, inputIds, config.pad_token_id)
    const placed = embedding(g, { table: table("position_embeddings") }, { indices: positions }).y
    const normal = layerNormOf(
      c,
      "roberta.embeddings.LayerNorm",
      add(g, { a: typed, b: placed }).y,
      config.layer_norm_eps
    )
    return dropped(c, config.hidden_dropout_prob, "roberta.embeddings", 0, normal)
  })
}

/**
 * RobertaForSequenceClassification: the first token through dense, tanh and dense. Feeds `input_ids` and `attention_mask`, int32 [B, T].
 *
 * Source: transformers' `modeling_roberta.py`. Golden: tiny-families/roberta.
 */
export function robertaForSequences(config: RobertaConfig, labels: number): Network {
  const { hidden_size: C, num_hidden_layers: blocks } = config
  const body = bertWeights(config).slice(0, -poolerWeights(config).length)
  const rate = config.classifier_dropout ?? config.hidden_dropout_prob
  return {
    parameters: [
      ...body.map(({ name, shape }) => ({ name: prefixed(name), shape })),
      ...denseSpecs("classifier.dense", C, C),
      ...denseSpecs("classifier.out_proj", labels, C)
    ],
    canonicalName,
    initializer_range: config.initializer_range,
    forward: (c) => {
      const { g } = c
      g.limit("length", config.max_position_embeddings - config.pad_token_id - 1)
      const ids = g.feed("input_ids", "int32", ["batch", "length"], { below: config.vocab_size })
      const rows = rowsOf(g, g.feed("attention_mask", "int32", ["batch", "length"], { below: 2 }))
      const b = bertContext(c, config, prefixed)
      let x = embed(c, config, ids)
      for (let block = 0; block < blocks; block++) x = blockOf(c, x, (inner) => bertBlock(b, rows, block, inner))
      return g.scope("head", () => {
        const first = dropped(c, rate, "classifier", 1 + 3 * blocks, clsToken(g, { x }, rows).y)
        const turned = tanh(g, { x: dense(c, "classifier.dense", first) }).y
        const kept = dropped(c, rate, "classifier", 2 + 3 * blocks, turned)
        return { logits: dense(c, "classifier.out_proj", kept), labelShape: ["batch"] }
      })
    }
  }
}
