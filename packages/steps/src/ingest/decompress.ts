import { Readable } from "node:stream"
import { createGunzip, createZstdDecompress } from "node:zlib"

export type Compression = "gzip" | "zstd"

/** By the first bytes of a file. */
export const compressionOf = (head: Uint8Array): Compression | undefined => {
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip"
  return head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd ? "zstd" : undefined
}

/** The bytes of a compressed file cannot be undone: it was cut off, or is damaged. */
export class BadCompression extends Error {}

/** No text of ours came near this ratio; runs of one byte reach 1 000 in gzip and far more in zstd. */
export const BOMB_RATIO = 200
/** What is smaller harms nobody, whatever its ratio. */
export const BOMB_BYTES = 8 << 20

/** The chunks uncompressed; failures of `chunks` pass through. Fails by BadCompression where the bytes are damaged, or a bomb. */
export async function* decompressed(
  chunks: AsyncIterable<Uint8Array>,
  compression: Compression
): AsyncGenerator<Uint8Array> {
  const size = { chunkSize: 1 << 18 }
  const inflate = compression === "gzip" ? createGunzip(size) : createZstdDecompress(size)
  let made = 0
  const input = Readable.from(chunks)
  let failure: unknown
  input.on("error", (error) => {
    failure = error
    inflate.destroy(error)
  })
  try {
    for await (const piece of input.pipe(inflate) as AsyncIterable<Uint8Array>) {
      made += piece.byteLength
      // What it has taken in, not what waits for it: a bomb of one chunk would else be let go on to 200 times that chunk.
      if (made > BOMB_BYTES && made > BOMB_RATIO * inflate.bytesWritten)
        throw new BadCompression(
          `it stands for more than ${BOMB_RATIO} times its bytes: that is no data but a ${compression} bomb`
        )
      yield piece
    }
  } catch (cause) {
    if (cause instanceof BadCompression) throw cause
    if (failure !== undefined) throw failure
    throw new BadCompression(`the ${compression} data is damaged or cut off: ${(cause as Error).message}`, { cause })
  } finally {
    input.destroy()
    inflate.destroy()
  }
}
