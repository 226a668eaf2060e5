import { createHash } from "node:crypto"
import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs"
import type { BigIntStats } from "node:fs"
import { join, relative } from "node:path"

const buffer = Buffer.allocUnsafe(1 << 20)

/** SHA-256 of a file, read in pieces of a mebibyte. */
export const digestFile = (path: string): string => {
  const hash = createHash("sha256")
  const fd = openSync(path, "r")
  try {
    for (let n = readSync(fd, buffer); n > 0; n = readSync(fd, buffer)) hash.update(n === buffer.length ? buffer : buffer.subarray(0, n))
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

/** The files of a source in sorted order: itself, or all below a folder but hidden ones. */
export const filesOf = (path: string): ReadonlyArray<SourceFile> => {
  const own = fileAt(path)
  if (own !== undefined) return [own]
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.name.startsWith("."))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .flatMap((inner) => fileAt(inner) ?? [])
}

/** A file's digest is that of its bytes; a folder's is over the relative names and digests of its files. */
export const digestOf = (path: string, files: ReadonlyArray<SourceFile>, digest: (file: string) => string): string => {
  if (files.length === 1 && files[0]!.path === path) return digest(path)
  const hash = createHash("sha256").update("hone-folder/1\0")
  for (const file of files) hash.update(`${relative(path, file.path)}\0${digest(file.path)}\0`)
  return hash.digest("hex")
}
