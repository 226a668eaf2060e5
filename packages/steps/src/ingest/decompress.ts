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

/** The chunks uncompressed; failures of `chunks` pass through. Fails by BadCompression where the bytes are damaged. */
export async function* decompressed(
  chunks: AsyncIterable<Uint8Array>,
  compression: Compression
): AsyncGenerator<Uint8Array> {
  const size = { chunkSize: 1 << 20 }
  const inflate = compression === "gzip" ? createGunzip(size) : createZstdDecompress(size)
  const input = Readable.from(chunks)
  let failure: unknown
  input.on("error", (error) => {
    failure = error
    inflate.destroy(error)
  })
  try {
    yield* input.pipe(inflate) as AsyncIterable<Uint8Array>
  } catch (cause) {
    if (failure !== undefined) throw failure
    throw new BadCompression(`the ${compression} data is damaged or cut off: ${(cause as Error).message}`, { cause })
  } finally {
    input.destroy()
    inflate.destroy()
  }
}
