import type { Builder } from "../../graph/Builder.ts"
import { product, type Dim } from "../../graph/dims.ts"
import type { Tensor } from "../../graph/Graph.ts"
import { add } from "../../ops/add.ts"
import { attention } from "../../ops/attention.ts"
import { dropout, type DropoutSite } from "../../ops/dropout.ts"
import { addFirstRow, addFirstRows, embedding } from "../../ops/embedding.ts"
import { gelu } from "../../ops/gelu.ts"
import { layerNorm } from "../../ops/layerNorm.ts"
import { linear } from "../../ops/linear.ts"
import { clsToken, maskedMean } from "../../ops/pooling.ts"
import { tanh } from "../../ops/tanh.ts"
import type { BertConfig } from "./config.ts"
import type { Pooling } from "./weights.ts"

/** Names the places where a model drops out; gives nothing where there is none. */
export type DropoutAt = (
  kind: "hidden" | "attention" | "classifier",
  part: string,
  site: number
) => DropoutSite | undefined

/** What building a BERT needs besides its inputs. */
export interface BertContext {
  readonly g: Builder
  readonly config: BertConfig
  /** The value of a weight, by its name; registers it as used. */
  readonly weight: (name: string) => Tensor
  readonly dropoutAt: DropoutAt
  /** What adapters make of a dense layer's input and output, by the layer's name. */
  readonly adapt?: (layer: string, x: Tensor, y: Tensor) => Tensor
}

/** Everything that the blocks share: the mask in its two forms, and the sizes of the batch. */
export interface Rows {
  readonly batch: Dim
  readonly length: Dim
  /** float32 [B, T]: 1 for a token, 0 for padding. */
  readonly mask: Tensor
  /** float32 [B, 1, 1, T], added to attention scores. */
  readonly bias: Tensor
}

/** @param attentionMask int32 [B, T] */
export function rowsOf(g: Builder, attentionMask: Tensor): Rows {
  const [batch, length] = attentionMask.shape as [Dim, Dim]
  const mask = g.cast(attentionMask, "float32")
  const bias = g.reshape(g.mul(g.sub(mask, g.scalar(1)), g.scalar(1e9)), [batch, 1, 1, length])
  return { batch, length, mask, bias }
}

function dense({ adapt, g, weight }: BertContext, name: string, x: Tensor): Tensor {
  const { y } = linear(g, { x, weight: weight(`${name}.weight`), bias: weight(`${name}.bias`) })
  return adapt === undefined ? y : adapt(name, x, y)
}

const norm = ({ config, g, weight }: BertContext, name: string, x: Tensor): Tensor =>
  layerNorm(g, { x, weight: weight(`${name}.weight`), bias: weight(`${name}.bias`) }, { eps: config.layer_norm_eps }).y

function dropped(
  { dropoutAt, g }: BertContext,
  kind: "hidden" | "classifier",
  part: string,
  site: number,
  x: Tensor
): Tensor {
  const place = dropoutAt(kind, part, site)
  return place === undefined ? x : dropout(g, { x }, place).y
}

/**
 * Words, positions and token types added up and normalised.
 *
 * @param inputIds int32 [B, T]
 * @param tokenTypeIds int32 [B, T]; left out, every token is of type 0
 * @returns float32 [B*T, C]
 */
export function bertEmbeddings(c: BertContext, rows: Rows, inputIds: Tensor, tokenTypeIds?: Tensor): Tensor {
  const { g, weight } = c
  return g.scope("embeddings", () => {
    const flat = (ids: Tensor) => g.reshape(ids, [product([rows.batch, rows.length])])
    const words = embedding(g, { table: weight("embeddings.word_embeddings.weight") }, { indices: flat(inputIds) }).y
    const types = weight("embeddings.token_type_embeddings.weight")
    const typed =
      tokenTypeIds === undefined
        ? addFirstRow(g, { x: words, table: types }).y
        : add(g, { a: words, b: embedding(g, { table: types }, { indices: flat(tokenTypeIds) }).y }).y
    const placed = addFirstRows(g, { x: typed, table: weight("embeddings.position_embeddings.weight") }, rows).y
    return dropped(c, "hidden", "embeddings", 0, norm(c, "embeddings.LayerNorm", placed))
  })
}

/** @param x float32 [B*T, C] @returns float32 [B*T, C] */
export function bertBlock(c: BertContext, rows: Rows, block: number, x: Tensor): Tensor {
  const { config, g } = c
  const prefix = `encoder.layer.${block}`
  const site = 1 + 3 * block
  return g.scope(prefix, () => {
    const q = dense(c, `${prefix}.attention.self.query`, x)
    const k = dense(c, `${prefix}.attention.self.key`, x)
    const v = dense(c, `${prefix}.attention.self.value`, x)
    const options = {
      heads: config.num_attention_heads,
      bias: rows.bias,
      dropout: c.dropoutAt("attention", prefix, site)
    }
    const mixed = dense(c, `${prefix}.attention.output.dense`, attention(g, { q, k, v }, options).y)
    const attended = add(g, { a: dropped(c, "hidden", prefix, site + 1, mixed), b: x }).y
    const middle = norm(c, `${prefix}.attention.output.LayerNorm`, attended)
    const wide = gelu(g, { x: dense(c, `${prefix}.intermediate.dense`, middle) }).y
    const narrow = dropped(c, "hidden", prefix, site + 2, dense(c, `${prefix}.output.dense`, wide))
    return norm(c, `${prefix}.output.LayerNorm`, add(g, { a: narrow, b: middle }).y)
  })
}

/**
 * One vector a row, straight from the last hidden state: the first token for `pooler`, the mean over real tokens for `mean`.
 *
 * @param x float32 [B*T, C]
 * @returns float32 [B, C]
 */
export function bertPool({ g }: BertContext, rows: Rows, pooling: Pooling, x: Tensor): Tensor {
  return g.scope("pooling", () => (pooling === "pooler" ? clsToken(g, { x }, rows).y : maskedMean(g, { x }, rows).y))
}

/**
 * The head on pooled rows.
 *
 * @param pooled float32 [B, C], what `bertPool` gives
 * @returns logits float32 [B, labels]
 */
export function bertHead(c: BertContext, pooling: Pooling, pooled: Tensor): Tensor {
  const { config, g } = c
  return g.scope("head", () => {
    const x = pooling === "pooler" ? tanh(g, { x: dense(c, "pooler.dense", pooled) }).y : pooled
    return dense(c, "classifier", dropped(c, "classifier", "classifier", 1 + 3 * config.num_hidden_layers, x))
  })
}
