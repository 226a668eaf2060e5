import { createHash } from "node:crypto"
import { createReadStream, readFileSync, statSync } from "node:fs"
import { relative } from "node:path"
import { Readable } from "node:stream"
import { StageError } from "@hone/core/Stage"
import type { InputSource } from "@hone/core/Stage"
import { combinedDigest, filesAt, pathKind, rootOf } from "./files.ts"

const CHUNK_BYTES = 1 << 18

/** A file of a source, as it is read. */
export interface ReadFile {
  readonly path: string
  /** Relative to the source, with `/` between folders; of a single file its own name. */
  readonly name: string
  /** How messages name it: as the user wrote the source, and the file within it where there are several. */
  readonly shown: string
  readonly chunks: AsyncIterable<Uint8Array>
}

/**
 * Readings of one source that all saw the same bytes. Each reading is digested on its way, so what the rows were made of is known,
 * whatever happens to the files meanwhile; times and inodes prove nothing that the digest does not.
 */
export class SourceReading {
  readonly #source: InputSource
  readonly #files: ReadonlyArray<{ readonly path: string; readonly bytes: number }>
  readonly #onBytes: (bytes: number) => void
  #seen: string | undefined

  /** `onBytes` hears how many bytes were read since it last heard. */
  constructor(source: InputSource, onBytes: (bytes: number) => void) {
    this.#source = source
    this.#onBytes = onBytes
    this.#files = filesAt(source.path).map((path) => ({ path, bytes: statSync(path).size }))
  }

  /** Bytes of all files. */
  get size(): number {
    return this.#files.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** The first file, whose head tells the format. */
  get first(): string {
    return this.#files[0]!.path
  }

  /**
   * The files in order. Chunks that are left unread are read for the digest; when the last file is done, the digest of the whole
   * is checked. Fails by StageError `source_changed` where the bytes are not those of the reading before.
   */
  async *read(): AsyncGenerator<ReadFile> {
    const digests: Array<{ readonly path: string; readonly digest: string }> = []
    const isFile = pathKind(this.#source.path) === "file"
    const root = rootOf(this.#source.path)
    for (const { path, bytes } of this.#files) {
      const name = relative(root, path).replaceAll("\\", "/")
      const { chunks, close, rest } = this.#open(path, bytes)
      try {
        yield { path, name, shown: isFile ? this.#source.spec : `${this.#source.spec} (${name})`, chunks }
        digests.push({ path, digest: await rest() })
      } finally {
        close()
      }
    }
    const digest = isFile ? digests[0]!.digest : combinedDigest(this.#source.path, digests)
    this.#seen ??= digest
    if (digest !== this.#seen) throw changed(this.#source)
  }

  #open(path: string, bytes: number) {
    const hash = createHash("sha256")
    // A folder may have thousands of small files, and a stream for each costs more than its bytes do.
    const stream =
      bytes < CHUNK_BYTES ? Readable.from([readFileSync(path)]) : createReadStream(path, { highWaterMark: CHUNK_BYTES })
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

  /** Whether the rows were made of the bytes that the plan was made with: only then may the result stand under its key. */
  get isAsPlanned(): boolean {
    return this.#seen === this.#source.digest
  }
}

const changed = ({ spec }: InputSource): StageError =>
  new StageError({
    code: "source_changed",
    message: `${spec} changed while it was read`,
    hint: "run again once nothing writes to it"
  })
