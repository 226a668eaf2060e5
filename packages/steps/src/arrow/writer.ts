import { createHash } from "node:crypto"
import { closeSync, fsyncSync, openSync, unlinkSync, writeSync } from "node:fs"
import { join } from "node:path"
import type { Json, JsonObject } from "@hone/core/Json"
import type { OutputArtifact } from "@hone/core/Stage"
import { type RecordBatch, RecordBatchFileWriter } from "apache-arrow"
import { type Column, makeBatch } from "./columns.ts"
import { ContentDigest, viewDigest } from "./digest.ts"

const FIRST_BUFFER_BYTES = 1 << 14
const BUFFER_BYTES = 1 << 20
const LARGEST_WRITE = 1 << 30

/** Appends to a new file and hashes what it appends. Small pieces are gathered; the disk and SHA-256 like large ones. */
class HashingFile {
  readonly #fd: number
  readonly #hash = createHash("sha256")
  // Grown as it fills: most files are small, and a mebibyte zeroed and collected for each cost more than all else that a small stage does.
  #pending = Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES)
  #filled = 0
  #bytes = 0

  constructor(path: string) {
    this.#fd = openSync(path, "wx", 0o644)
  }

  append(piece: Uint8Array): void {
    this.#bytes += piece.byteLength
    if (this.#filled + piece.byteLength > BUFFER_BYTES) this.#flush()
    if (piece.byteLength > BUFFER_BYTES) this.#write(piece)
    else {
      this.#reserve(this.#filled + piece.byteLength)
      this.#pending.set(piece, this.#filled)
      this.#filled += piece.byteLength
    }
  }

  finish(): { readonly blob: string; readonly bytes: number } {
    this.#flush()
    fsyncSync(this.#fd)
    closeSync(this.#fd)
    return { blob: this.#hash.digest("hex"), bytes: this.#bytes }
  }

  abandon(): void {
    closeSync(this.#fd)
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#pending.byteLength) return
    const larger = Buffer.allocUnsafeSlow(Math.min(BUFFER_BYTES, Math.max(bytes, 2 * this.#pending.byteLength)))
    larger.set(this.#pending.subarray(0, this.#filled))
    this.#pending = larger
  }

  #flush(): void {
    this.#write(this.#pending.subarray(0, this.#filled))
    this.#filled = 0
  }

  #write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength;) {
      const piece = bytes.subarray(at, at + LARGEST_WRITE)
      const written = writeSync(this.#fd, piece)
      this.#hash.update(piece.subarray(0, written))
      at += written
    }
  }
}

/** Arrow's own file writer, with its output sent to a file descriptor instead of a queue in memory. */
class FileWriter extends RecordBatchFileWriter {
  readonly #file: HashingFile

  constructor(file: HashingFile) {
    super()
    this.#file = file
  }

  protected override _write(chunk: ArrayBufferView): this {
    if (this._started && chunk.byteLength > 0) {
      const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      this.#file.append(bytes)
      this._position += bytes.byteLength
    }
    return this
  }
}

export interface FinishOptions {
  readonly facts?: JsonObject
  /** Views made of whole columns (`inputs: ["row_id", "input_ids"]`), or digests that the caller took. */
  readonly views?: Readonly<Record<string, ReadonlyArray<string> | string>>
  readonly links?: ReadonlyArray<string>
  /** The content digest, for kinds that define their own (a model's is a Merkle digest over its tensors). */
  readonly content?: string
}

export interface TableOptions {
  /** Metadata of the file's schema. */
  readonly metadata?: Readonly<Record<string, string>>
  /** What of the metadata counts as content. Absent: all of it. */
  readonly contentMetadata?: Json
}

/**
 * Streams batches into one uncompressed Arrow IPC file, hashing bytes and content as they pass. The file must not exist.
 * Call `finish` or `abandon`. Throws the system's error (ENOSPC, EACCES) where the disk refuses.
 */
export class TableWriter {
  readonly #file: HashingFile
  readonly #writer: FileWriter
  readonly #digest = new ContentDigest()
  readonly #name: string
  readonly #path: string
  readonly #options: TableOptions

  constructor(folder: string, name: string, options: TableOptions = {}) {
    this.#name = name
    this.#path = join(folder, name)
    this.#options = options
    this.#file = new HashingFile(this.#path)
    this.#writer = new FileWriter(this.#file)
  }

  get rows(): number {
    return this.#digest.rows
  }

  /** Columns of equal length, in the order of the fields. The first call sets the schema; zero rows are a way to set it alone. */
  write(columns: Readonly<Record<string, Column>>): void {
    this.writeBatch(makeBatch(columns, this.#options.metadata))
  }

  /** A batch that already has its schema. */
  writeBatch(batch: RecordBatch): void {
    this.#digest.update(batch)
    this.#writer.write(batch)
  }

  /** Writes the footer, waits for the disk, and tells what an output of a stage must tell. */
  finish(options: FinishOptions = {}): OutputArtifact {
    this.#writer.close()
    const { blob, bytes } = this.#file.finish()
    const digests = this.#digest.finish(this.#options.contentMetadata ?? { ...this.#options.metadata })
    const views = Object.entries(options.views ?? {}).map(([view, columns]) => [
      view,
      typeof columns === "string" ? columns : viewDigest(pick(digests.columns, columns))
    ])
    return {
      file: this.#name,
      blob,
      content: options.content ?? digests.content,
      bytes,
      facts: options.facts ?? {},
      views: Object.fromEntries(views),
      links: options.links ?? []
    }
  }

  /** Closes and removes the unfinished file. */
  abandon(): void {
    this.#file.abandon()
    unlinkSync(this.#path)
  }
}

/** A table of one batch, written at once. See {@link TableWriter}. */
export const writeTable = (
  folder: string,
  name: string,
  columns: Readonly<Record<string, Column>>,
  options: TableOptions & FinishOptions = {}
): OutputArtifact => {
  const writer = new TableWriter(folder, name, options)
  try {
    writer.write(columns)
    return writer.finish(options)
  } catch (error) {
    writer.abandon()
    throw error
  }
}

const pick = (columns: Readonly<Record<string, string>>, names: ReadonlyArray<string>): Record<string, string> =>
  Object.fromEntries(
    names.map((name) => {
      const digest = columns[name]
      if (digest === undefined) throw new TypeError(`a view names column "${name}", which the table lacks`)
      return [name, digest]
    })
  )
