import type { Feeds } from "@hone/nn"
import type { Tokens } from "./tokens.ts"
import { paddedLength } from "./batches.ts"

/** Makes the inputs of a program for some rows. Arrays are fresh each time: engines may keep those that they are given. */
export type InputFeeds = (rows: ReadonlyArray<number>) => Feeds

/** Token ids and, for pairs, token types, padded to a multiple of 8. */
export const tokenFeeds =
  (
    { inputIds, lengths, tokenTypeIds }: Pick<Tokens, "inputIds" | "lengths" | "tokenTypeIds">,
    padTokenId: number
  ): InputFeeds =>
  (rows) => {
    const length = paddedLength(rows.map((row) => lengths[row]!))
    const shape = [rows.length, length]
    const ids = new Int32Array(rows.length * length).fill(padTokenId)
    rows.forEach((row, at) => ids.set(inputIds[row]!, at * length))
    const types = new Int32Array(tokenTypeIds === undefined ? 0 : ids.length)
    if (tokenTypeIds !== undefined) rows.forEach((row, at) => types.set(tokenTypeIds[row]!, at * length))
    return {
      ...(tokenTypeIds === undefined ? {} : { token_type_ids: { data: types, shape } }),
      input_ids: { data: ids, shape },
      attention_mask: {
        data: maskOf(
          rows.map((row) => lengths[row]!),
          length
        ),
        shape
      }
    }
  }

/** Hidden states in front of a block: row r of `hidden` holds [tokens, C] flattened. Padded as tokens are. */
export const hiddenFeeds =
  (hidden: ReadonlyArray<Float32Array>, width: number): InputFeeds =>
  (rows) => {
    const lengths = rows.map((row) => hidden[row]!.length / width)
    const length = paddedLength(lengths)
    const data = new Float32Array(rows.length * length * width)
    rows.forEach((row, at) => data.set(hidden[row]!, at * length * width))
    return {
      hidden: { data, shape: [rows.length, length, width] },
      attention_mask: { data: maskOf(lengths, length), shape: [rows.length, length] }
    }
  }

/** One vector a row. */
export const pooledFeeds =
  (pooled: ReadonlyArray<Float32Array>, width: number): InputFeeds =>
  (rows) => {
    const data = new Float32Array(rows.length * width)
    rows.forEach((row, at) => data.set(pooled[row]!, at * width))
    return { pooled: { data, shape: [rows.length, width] } }
  }

const maskOf = (lengths: ReadonlyArray<number>, length: number): Int32Array => {
  const mask = new Int32Array(lengths.length * length)
  lengths.forEach((real, at) => mask.fill(1, at * length, at * length + real))
  return mask
}
