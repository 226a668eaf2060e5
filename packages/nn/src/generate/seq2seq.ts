import { Builder } from "../graph/Builder.ts"
import { product } from "../graph/dims.ts"
import { Graph } from "../graph/Graph.ts"
import type { ProgramFunction } from "../graph/Program.ts"
import { acrossKeys, encoderRows, type StackRows, t5Decode, t5Encode, type T5Network } from "../models/t5/t5.ts"
import { biasOf, causalBias } from "../ops/causalBias.ts"
import { finishProgram } from "../train/variables.ts"
import type { GenerationProgram } from "./causal.ts"
import { Memory, type MemorySize, placeOf, readingContext } from "./memory.ts"

export interface Seq2seqSize extends MemorySize {
  /** Most tokens of a text that is read. */
  readonly sourceCapacity: number
}

export interface Seq2seqProgram extends GenerationProgram, Seq2seqSize {
  readonly decoder_start_token_id: number
}

/**
 * Builds the program of a T5 that writes. Functions, for `batch` rows:
 *
 * - `encode` {input_ids, attention_mask int32 [B, S]}, padded behind -> {encoded [B*S, C]}. Keys and values of the encoded text are
 *   remembered, and what was written before is forgotten.
 * - `step` {input_ids int32 [B], slot int32 [1], source_seen float32 [B, sourceCapacity]} -> {logits [B, V]}, where `slot` counts what
 *   was written from 0, the start token first, and `source_seen` is 1 for the tokens that were read.
 */
export function seq2seqProgram(network: T5Network, size: Seq2seqSize): Seq2seqProgram {
  const graph = new Graph()
  const encoder = encode(graph, network, size)
  const decoder = step(graph, network, size)
  const names = new Set([...encoder.parameters, ...decoder.parameters].map(({ name }) => name))
  const program = finishProgram(graph, { encode: encoder.function, step: decoder.function })
  const parameters = network.parameters.filter(({ name }) => names.has(name))
  return { ...program, ...size, parameters, decoder_start_token_id: network.config.decoder_start_token_id }
}

const sourceMemory = (g: Builder, { batch, sourceCapacity }: Seq2seqSize): Memory =>
  new Memory(g, "source", { batch, capacity: sourceCapacity })

function encode(graph: Graph, network: T5Network, size: Seq2seqSize) {
  const { config } = network
  const { batch } = size
  const g = new Builder(graph, "encode")
  const { c, used } = readingContext(g, network)
  g.limit("length", size.sourceCapacity)
  const ids = g.feed("input_ids", "int32", [batch, "length"], { below: config.vocab_size })
  const rows = encoderRows(c, g.feed("attention_mask", "int32", [batch, "length"], { below: 2 }))
  const encoded = t5Encode(c, config, rows, g.reshape(ids, [product([batch, "length"])]))
  const memory = new Memory(g, "memory", size)
  memory.clear(config.num_decoder_layers, config.num_heads * config.d_kv)
  const source = sourceMemory(g, size)
  for (let block = 0; block < config.num_decoder_layers; block++)
    source.fill(block, acrossKeys(c, block, encoded), "length")
  return {
    function: g.finish({ encoded }, { after: [...memory.changes, ...source.changes] }),
    parameters: used()
  }
}

function step(
  graph: Graph,
  network: T5Network,
  size: Seq2seqSize
): { function: ProgramFunction; parameters: GenerationProgram["parameters"] } {
  const { config } = network
  const { batch, capacity, sourceCapacity } = size
  const g = new Builder(graph, "step")
  const { c, used } = readingContext(g, network)
  const ids = g.feed("input_ids", "int32", [batch], { below: config.vocab_size })
  const slot = g.feed("slot", "int32", [1], { below: capacity })
  const seen = g.feed("source_seen", "float32", [batch, sourceCapacity])
  const memory = new Memory(g, "memory", size)
  const source = sourceMemory(g, size)
  const place = placeOf(g, slot, capacity)
  const rows: StackRows = {
    batch,
    length: 1,
    keys: capacity,
    places: slot,
    bias: causalBias(g, slot, capacity, null),
    remember: (layer, made) => memory.add(layer, made, place)
  }
  const across = {
    keys: sourceCapacity,
    bias: g.reshape(biasOf(g, seen), [batch, 1, 1, sourceCapacity]),
    recall: (layer: number) => source.recall(layer, config.num_heads * config.d_kv)
  }
  const logits = t5Decode(c, config, rows, across, ids, undefined)
  return { function: g.finish({ logits }, { after: memory.changes }), parameters: used() }
}
