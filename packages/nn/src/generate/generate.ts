import type { Session } from "../engines/Engine.ts"
import type { Feed, Values } from "../graph/Program.ts"
import type { GenerationProgram } from "./causal.ts"
import type { Seq2seqProgram } from "./seq2seq.ts"

/** Picks the next token from a row's logits [V]. */
export type Choose = (logits: Float32Array, row: number) => number

export interface GenerateOptions {
  readonly max_new_tokens: number
  /** A row ends with one of these; left out, rows run on to `max_new_tokens`. */
  readonly eos_token_ids?: ReadonlyArray<number>
  /** Fills prompts up to one length; it is never looked at. */
  readonly pad_token_id: number
  /** Default: `greedy`. */
  readonly choose?: Choose
}

/** The likeliest token; of equals the first. */
export const greedy: Choose = (logits) => {
  let best = 0
  for (let token = 1; token < logits.length; token++) if (logits[token]! > logits[best]!) best = token
  return best
}

/** What rows have written, and which of them have ended. */
class Writing {
  readonly rows: Array<Array<number>>
  readonly #ended: Array<boolean>
  readonly #options: GenerateOptions

  constructor(batch: number, options: GenerateOptions) {
    this.rows = Array.from({ length: batch }, () => [])
    this.#ended = Array.from({ length: batch }, () => false)
    this.#options = options
  }

  get done(): boolean {
    return this.#ended.every(Boolean) || this.rows.some((row) => row.length >= this.#options.max_new_tokens)
  }

  /** Takes a token for each row from logits [B, V], and gives them; rows that have ended are fed padding. */
  take(logits: Values): Int32Array {
    const { choose = greedy, eos_token_ids = [], pad_token_id } = this.#options
    const vocabulary = logits.length / this.rows.length
    return Int32Array.from(this.rows, (row, index) => {
      if (this.#ended[index]) return pad_token_id
      const part = logits.subarray(index * vocabulary, (index + 1) * vocabulary) as Float32Array
      const token = choose(part, index)
      row.push(token)
      if (eos_token_ids.includes(token)) this.#ended[index] = true
      return token
    })
  }
}

function checkSizes(
  prompts: ReadonlyArray<ReadonlyArray<number>>,
  batch: number,
  needed: number,
  capacity: number
): void {
  if (prompts.length !== batch) throw new RangeError(`${prompts.length} prompts, and the program is for ${batch}`)
  if (prompts.some((prompt) => prompt.length === 0)) throw new RangeError("a prompt has no tokens")
  if (needed > capacity) throw new RangeError(`${needed} tokens a row are needed, and the memory holds ${capacity}`)
}

const rowsFeed = (rows: ReadonlyArray<ReadonlyArray<number>>): Feed => ({
  data: Int32Array.from(rows.flat()),
  shape: [rows.length, rows[0]!.length]
})

const repeated = (count: number, value: number): Array<number> => Array.from({ length: count }, () => value)

/**
 * Continues prompts, all rows at once, and gives the new tokens of each, an end token among them.
 *
 * Throws RangeError where prompts do not fit the program's rows or memory.
 */
export async function generate(
  session: Session,
  { batch, capacity }: GenerationProgram,
  prompts: ReadonlyArray<ReadonlyArray<number>>,
  options: GenerateOptions
): Promise<Array<Array<number>>> {
  const length = Math.max(...prompts.map((prompt) => prompt.length))
  checkSizes(prompts, batch, length + options.max_new_tokens - 1, capacity)
  const padded = (fill: number, inside: (prompt: ReadonlyArray<number>) => ReadonlyArray<number>) =>
    prompts.map((prompt) => [...repeated(length - prompt.length, fill), ...inside(prompt)])
  const mask = padded(0, (prompt) => prompt.map(() => 1))
  const first = await session.run("prefill", {
    input_ids: rowsFeed(padded(options.pad_token_id, (prompt) => prompt)),
    attention_mask: rowsFeed(mask)
  })
  const seen = Float32Array.from(mask.flatMap((row) => [...row, ...repeated(capacity - length, 0)]))
  const writing = new Writing(batch, options)
  let tokens = writing.take(first["logits"]!)
  for (let slot = length; !writing.done; slot++) {
    for (let row = 0; row < batch; row++) seen[row * capacity + slot] = 1
    const { logits } = await session.run("step", {
      input_ids: tokens,
      positions: Int32Array.from(prompts, (prompt) => prompt.length + slot - length),
      slot: Int32Array.of(slot),
      // An engine may keep what it is fed.
      seen: { data: seen.slice(), shape: [batch, capacity] }
    })
    tokens = writing.take(logits!)
  }
  return writing.rows
}

/** Answers texts, all rows at once, and gives the tokens that are written for each. Throws RangeError as `generate` does. */
export async function generateFrom(
  session: Session,
  program: Seq2seqProgram,
  texts: ReadonlyArray<ReadonlyArray<number>>,
  options: GenerateOptions
): Promise<Array<Array<number>>> {
  const { batch, capacity, sourceCapacity } = program
  const length = Math.max(...texts.map((text) => text.length))
  checkSizes(texts, batch, length, sourceCapacity)
  checkSizes(texts, batch, options.max_new_tokens, capacity)
  const padded = (to: number, fill: number, inside: (text: ReadonlyArray<number>) => ReadonlyArray<number>) =>
    texts.map((text) => [...inside(text), ...repeated(to - text.length, fill)])
  await session.run("encode", {
    input_ids: rowsFeed(padded(length, options.pad_token_id, (text) => text)),
    attention_mask: rowsFeed(padded(length, 0, (text) => text.map(() => 1)))
  })
  const seen = padded(sourceCapacity, 0, (text) => text.map(() => 1)).flat()
  const writing = new Writing(batch, options)
  let tokens: Int32Array = Int32Array.from(repeated(batch, program.decoder_start_token_id))
  for (let slot = 0; !writing.done; slot++) {
    const { logits } = await session.run("step", {
      input_ids: tokens,
      slot: Int32Array.of(slot),
      source_seen: { data: Float32Array.from(seen), shape: [batch, sourceCapacity] }
    })
    tokens = writing.take(logits!)
  }
  return writing.rows
}
