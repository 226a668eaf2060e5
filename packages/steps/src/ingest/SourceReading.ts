import { createHash } from "node:crypto"
import { createReadStream, statSync } from "node:fs"
import { StageError } from "@hone/core/Stage"
import type { InputSource } from "@hone/core/Stage"

const CHUNK_BYTES = 1 << 20

/** What the system says about a file that changes when its content does. */
const stampOf = (path: string): string => {
  const { ctimeNs, ino, mtimeNs, size } = statSync(path, { bigint: true })
  return [size, mtimeNs, ino, ctimeNs].join(" ")
}

/**
 * Readings of one source that together saw the same bytes as planning did. Each reading is digested on its way, so what the rows
 * were made of is what the key says, whatever happened to the file meanwhile.
 */
export class SourceReading {
  readonly #source: InputSource
  readonly #stamp: string
  readonly #onBytes: (bytes: number) => void

  /** `onBytes` hears how many bytes were read since it last heard. */
  constructor(source: InputSource, onBytes: (bytes: number) => void) {
    this.#source = source
    this.#onBytes = onBytes
    this.#stamp = stampOf(source.path)
  }

  get size(): number {
    return Number(this.#stamp.split(" ")[0])
  }

  /**
   * Hands the source's chunks to `consume` and, when it is done, reads on to the end for the digest.
   * Fails by StageError `source_changed` where the bytes are not those that were planned with.
   */
  async read<A>(consume: (chunks: AsyncIterable<Uint8Array>) => Promise<A>): Promise<A> {
    const hash = createHash("sha256")
    const stream = createReadStream(this.#source.path, { highWaterMark: CHUNK_BYTES })
    const onBytes = this.#onBytes
    const iterator = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    const next = async () => {
      const result = await iterator.next()
      if (result.done !== true) {
        hash.update(result.value)
        onBytes(result.value.byteLength)
      }
      return result
    }
    try {
      // Without `return`, a consumer that stops early does not close the stream: the digest needs the rest.
      const value = await consume({ [Symbol.asyncIterator]: () => ({ next }) })
      while ((await next()).done !== true);
      if (hash.digest("hex") !== this.#source.digest) throw changed(this.#source)
      return value
    } finally {
      stream.destroy()
    }
  }

  /** Fails by StageError `source_changed` where the file is not the one that was opened, by size, times or inode. */
  finish(): void {
    if (stampOf(this.#source.path) !== this.#stamp) throw changed(this.#source)
  }
}

const changed = ({ spec }: InputSource): StageError =>
  new StageError({
    code: "source_changed",
    message: `${spec} changed while it was read`,
    hint: "run again once nothing writes to it"
  })
