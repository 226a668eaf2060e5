import { Builder } from "../graph/Builder.ts"
import { Graph, type Tensor } from "../graph/Graph.ts"
import type { Program } from "../graph/Program.ts"
import { bertBlock, type BertContext, bertEmbeddings, bertPool, rowsOf } from "../models/bert/bert.ts"
import type { BertConfig } from "../models/bert/config.ts"
import { classifierModelWeights, type Pooling, type WeightSpec } from "../models/bert/weights.ts"
import { finishProgram } from "./variables.ts"

/** Where a program starts: the hidden states in front of a block (0: right after the embeddings), or pooled rows. */
export type Cut = number | "pooled"

/** What the first block that is computed reads. */
export function encoderInput(context: BertContext, cut: number | undefined, tokenTypes: boolean) {
  const { config, g } = context
  const shape = ["batch", "length"]
  const mask = () => rowsOf(g, g.feed("attention_mask", "int32", shape, { below: 2 }))
  if (cut !== undefined) {
    const hidden = g.feed("hidden", "float32", [...shape, config.hidden_size])
    return { rows: mask(), x: g.reshape(hidden, ["batch*length", config.hidden_size]) }
  }
  g.limit("length", config.max_position_embeddings)
  const ids = g.feed("input_ids", "int32", shape, { below: config.vocab_size })
  const types = tokenTypes ? g.feed("token_type_ids", "int32", shape, { below: config.type_vocab_size }) : undefined
  const rows = mask()
  return { rows, x: bertEmbeddings(context, rows, ids, types) }
}

export interface FeaturesOptions {
  readonly config: BertConfig
  /** Left out: starts from token ids. Otherwise from the hidden states in front of this block, as `until` of another program left them. */
  readonly from?: number | undefined
  /** Where to stop: in front of a block (num_hidden_layers: the last hidden state), or pooled rows. */
  readonly until: Cut
  /** How rows are pooled, where they are. */
  readonly pooling?: Pooling | undefined
  readonly token_types?: boolean | undefined
}

/** A program with one function. */
export interface FeaturesProgram extends Program {
  /** Parameters between start and cut: write them before anything runs. */
  readonly parameters: ReadonlyArray<WeightSpec>
}

/**
 * Builds the part of a BERT in front of a cut, as in evaluation. One function, `features`:
 * {input_ids, attention_mask, token_type_ids if asked for} -> {hidden [B, T, C]} or {pooled [B, C]}: what `classifierProgram` is fed
 * after the same cut. With `from`, {hidden, attention_mask} are fed instead of token ids.
 */
export function featuresProgram({
  config,
  from,
  pooling = "mean",
  token_types,
  until
}: FeaturesOptions): FeaturesProgram {
  const graph = new Graph()
  const shapes = new Map(classifierModelWeights(config, { pooling, labels: 1 }).map((spec) => [spec.name, spec]))
  const used = new Set<string>()
  const g = new Builder(graph, "features")
  const weight = (name: string) => {
    used.add(name)
    return g.read(graph.variable(name, shapes.get(name)!.shape))
  }
  const context: BertContext = { g, config, weight, dropoutAt: () => undefined }
  const { rows, ...input } = encoderInput(context, from, token_types === true)
  let { x } = input
  const blocks = until === "pooled" ? config.num_hidden_layers : until
  for (let block = from ?? 0; block < blocks; block++) x = bertBlock(context, rows, block, x)
  const fetches: Record<string, Tensor> =
    until === "pooled"
      ? { pooled: bertPool(context, rows, pooling, x) }
      : { hidden: g.reshape(x, [rows.batch, rows.length, config.hidden_size]) }
  const program = finishProgram(graph, { features: g.finish(fetches) })
  return { ...program, parameters: [...shapes.values()].filter(({ name }) => used.has(name)) }
}
