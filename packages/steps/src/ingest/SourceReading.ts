import { createHash } from "node:crypto"
import { createReadStream, statSync } from "node:fs"
import { relative } from "node:path"
import { StageError } from "@hone/core/Stage"
import type { InputSource } from "@hone/core/Stage"
import { combinedDigest, filesAt, pathKind, rootOf } from "./files.ts"

const CHUNK_BYTES = 1 << 20

/** A file of a source, as it is read. */
export interface ReadFile {
  readonly path: string
  /** Relative to the source, with `/` between folders; of a single file its own name. */
  readonly name: string
  /** How messages name it: as the user wrote the source, and the file within it where there are several. */
  readonly shown: string
  readonly chunks: AsyncIterable<Uint8Array>
}

/** What the system says about a file that changes when its content does. */
const stampOf = (path: string): string => {
  const { ctimeNs, ino, mtimeNs, size } = statSync(path, { bigint: true })
  return [size, mtimeNs, ino, ctimeNs].join(" ")
}

/**
 * Readings of one source that together saw the same bytes as planning did. Each reading is digested on its way, so what the rows
 * were made of is what the key says, whatever happened to the files meanwhile.
 */
export class SourceReading {
  readonly #source: InputSource
  readonly #files: ReadonlyArray<{ readonly path: string; readonly stamp: string }>
  readonly #onBytes: (bytes: number) => void

  /** `onBytes` hears how many bytes were read since it last heard. */
  constructor(source: InputSource, onBytes: (bytes: number) => void) {
    this.#source = source
    this.#onBytes = onBytes
    this.#files = filesAt(source.path).map((path) => ({ path, stamp: stampOf(path) }))
  }

  /** Bytes of all files. */
  get size(): number {
    return this.#files.reduce((sum, { stamp }) => sum + Number(stamp.split(" ")[0]), 0)
  }

  /** The first file, whose head tells the format. */
  get first(): string {
    return this.#files[0]!.path
  }

  /**
   * The files in order. Chunks that are left unread are read for the digest; when the last file is done, the digest of the whole
   * is checked. Fails by StageError `source_changed` where the bytes are not those that were planned with.
   */
  async *read(): AsyncGenerator<ReadFile> {
    const digests: Array<{ readonly path: string; readonly digest: string }> = []
    const isFile = pathKind(this.#source.path) === "file"
    const root = rootOf(this.#source.path)
    for (const { path } of this.#files) {
      const name = relative(root, path).replaceAll("\\", "/")
      const { chunks, close, rest } = this.#open(path)
      try {
        yield { path, name, shown: isFile ? this.#source.spec : `${this.#source.spec} (${name})`, chunks }
        digests.push({ path, digest: await rest() })
      } finally {
        close()
      }
    }
    const digest = isFile ? digests[0]!.digest : combinedDigest(this.#source.path, digests)
    if (digest !== this.#source.digest) throw changed(this.#source)
  }

  #open(path: string) {
    const hash = createHash("sha256")
    const stream = createReadStream(path, { highWaterMark: CHUNK_BYTES })
    const iterator = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    const next = async () => {
      const result = await iterator.next()
      if (result.done !== true) {
        hash.update(result.value)
        this.#onBytes(result.value.byteLength)
      }
      return result
    }
    const rest = async () => {
      while ((await next()).done !== true);
      return hash.digest("hex")
    }
    // Without `return`, a consumer that stops early does not close the stream: the digest needs the rest.
    return { chunks: { [Symbol.asyncIterator]: () => ({ next }) }, rest, close: () => stream.destroy() }
  }

  /** Fails by StageError `source_changed` where a file is not the one that was opened, by size, times or inode. */
  finish(): void {
    if (this.#files.some(({ path, stamp }) => stampOf(path) !== stamp)) throw changed(this.#source)
  }
}

const changed = ({ spec }: InputSource): StageError =>
  new StageError({
    code: "source_changed",
    message: `${spec} changed while it was read`,
    hint: "run again once nothing writes to it"
  })
