import { createHash } from "node:crypto"
import { closeSync, openSync, readSync, statSync } from "node:fs"
import type { BigIntStats } from "node:fs"
import { combinedDigest, filesAt } from "@hone/steps/ingest/files"

const buffer = Buffer.allocUnsafe(1 << 20)

/** SHA-256 of a file, read in pieces of a mebibyte. */
export const digestFile = (path: string): string => {
  const hash = createHash("sha256")
  const fd = openSync(path, "r")
  try {
    for (let n = readSync(fd, buffer); n > 0; n = readSync(fd, buffer))
      hash.update(n === buffer.length ? buffer : buffer.subarray(0, n))
  } finally {
    closeSync(fd)
  }
  return hash.digest("hex")
}

/** What tells a file from an edited one without reading it. */
export const stamp = (stat: BigIntStats): string => `${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}:${stat.ino}`

export interface SourceFile {
  readonly path: string
  readonly stamp: string
  /** Milliseconds since the epoch of the last change of content or name. */
  readonly changed_at: number
}

const fileAt = (path: string): SourceFile | undefined => {
  const stat = statSync(path, { bigint: true })
  const changed = stat.mtimeMs > stat.ctimeMs ? stat.mtimeMs : stat.ctimeMs
  return stat.isFile() ? { path, stamp: stamp(stat), changed_at: Number(changed) } : undefined
}

/** The files of a source in sorted order: itself, all below a folder but hidden ones, or those that a pattern matches. */
export const filesOf = (path: string): ReadonlyArray<SourceFile> => filesAt(path).flatMap((file) => fileAt(file) ?? [])

/** A file's digest is that of its bytes; a folder's or pattern's is over the relative names and digests of its files. */
export const digestOf = (path: string, files: ReadonlyArray<SourceFile>, digest: (file: string) => string): string =>
  files.length === 1 && files[0]!.path === path
    ? digest(path)
    : combinedDigest(
        path,
        files.map((file) => ({ path: file.path, digest: digest(file.path) }))
      )
