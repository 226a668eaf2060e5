import { Builder } from "../graph/Builder.ts"
import { product } from "../graph/dims.ts"
import { Graph } from "../graph/Graph.ts"
import type { Feeds, Program, ProgramFunction } from "../graph/Program.ts"
import type { WeightSpec } from "../models/bert/weights.ts"
import { type CausalNetwork, stepRows, textRows } from "../models/decoder.ts"
import { finishProgram } from "../train/variables.ts"
import { Memory, type MemorySize, placeOf, readingContext } from "./memory.ts"

/** A program that writes text one token after the other. */
export interface GenerationProgram extends Program, MemorySize {
  /** Parameters that the program holds: write them before anything runs. */
  readonly parameters: ReadonlyArray<WeightSpec>
}

/**
 * Builds the program of a causal language model that remembers keys and values between calls. Functions, for `batch` rows and at most
 * `capacity` tokens in each, prompt and answer together:
 *
 * - `prefill` {input_ids, attention_mask int32 [B, T]}, padded in front -> {logits [B, V]} for what follows the prompts. Whatever was
 *   remembered is gone.
 * - `step` {input_ids int32 [B], positions int32 [B], slot int32 [1], seen float32 [B, capacity]} -> {logits [B, V]}, where `slot` is
 *   the next place of the memory, and `seen` is 1 for the prompt's tokens and all places up to and with it.
 *
 * A step reads the memory in its full length whatever is in it: choose `capacity` near what is needed.
 */
export function generationProgram(network: CausalNetwork, size: MemorySize): GenerationProgram {
  const graph = new Graph()
  const prefilled = prefill(graph, network, size)
  const functions = { prefill: prefilled.function, step: step(graph, network, size) }
  return { ...finishProgram(graph, functions), ...size, parameters: prefilled.parameters }
}

/** The last token of each row, among all tokens. */
function withLastRows(feeds: Feeds): Feeds {
  const ids = feeds["input_ids"]
  if (typeof ids !== "object" || !("shape" in ids)) return feeds
  const [batch, length] = ids.shape as [number, number]
  return { ...feeds, last_rows: Int32Array.from({ length: batch }, (_, row) => (row + 1) * length - 1) }
}

function prefill(graph: Graph, network: CausalNetwork, size: MemorySize) {
  const { decoder } = network
  const { batch, capacity } = size
  const g = new Builder(graph, "prefill")
  const { c, used } = readingContext(g, network)
  g.limit("length", Math.min(capacity, decoder.positions ?? capacity))
  const ids = g.feed("input_ids", "int32", [batch, "length"], { below: decoder.vocab_size })
  const text = textRows(c, g.feed("attention_mask", "int32", [batch, "length"], { below: 2 }))
  const memory = new Memory(g, "memory", size)
  const remember: typeof text.remember = (layer, made) => {
    memory.fill(layer, made, "length")
    return made
  }
  const x = decoder.hidden(c, { ...text, remember }, g.reshape(ids, [product([batch, "length"])]))
  const last = g.gather(x, g.feed("last_rows", "int32", [batch]))
  const logits = decoder.head(c, last)
  return {
    function: g.finish({ logits }, { after: memory.changes, prepare: withLastRows }),
    parameters: used()
  }
}

function step(graph: Graph, network: CausalNetwork, size: MemorySize): ProgramFunction {
  const { decoder } = network
  const { batch, capacity } = size
  const g = new Builder(graph, "step")
  const { c } = readingContext(g, network)
  const ids = g.feed("input_ids", "int32", [batch], { below: decoder.vocab_size })
  const positions = g.feed("positions", "int32", [batch], { below: decoder.positions ?? 2 ** 31 })
  const slot = g.feed("slot", "int32", [1], { below: capacity })
  const seen = g.feed("seen", "float32", [batch, capacity])
  const memory = new Memory(g, "memory", size)
  const place = placeOf(g, slot, capacity)
  const rows = stepRows(c, {
    batch,
    capacity,
    positions,
    seen,
    slot,
    remember: (layer, made) => memory.add(layer, made, place)
  })
  const logits = decoder.head(c, decoder.hidden(c, rows, ids))
  return g.finish({ logits }, { after: memory.changes })
}
