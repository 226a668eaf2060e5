import { createHash } from "node:crypto"
import { globSync, readdirSync, realpathSync, statSync } from "node:fs"
import { dirname, join, relative, sep } from "node:path"
import type { Format } from "./format.ts"

/** What a source's path stands for: one file, all files below a folder, or those that a pattern matches. */
export type PathKind = "file" | "folder" | "pattern"

const isPattern = (path: string): boolean => /[*?[{]/u.test(path)

/** Undefined where nothing is there. A file whose name has `*` in it is that file. */
export const pathKind = (path: string): PathKind | undefined => {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat?.isFile() === true) return "file"
  if (stat?.isDirectory() === true) return "folder"
  return isPattern(path) ? "pattern" : undefined
}

/** Whether a source's files are a row each, labelled by the folder that they lie in: a folder unless another format is named, a pattern where told. */
export const isByFolder = (path: string, format: Format | "auto"): boolean => {
  const kind = pathKind(path)
  return (
    (kind === "folder" && (format === "auto" || format === "folder")) || (kind === "pattern" && format === "folder")
  )
}

/** The folder that names of a source's files count from. */
export const rootOf = (path: string): string => {
  const kind = pathKind(path)
  if (kind === "folder") return path
  if (kind !== "pattern") return dirname(path)
  const parts = path.split(sep)
  const first = parts.findIndex(isPattern)
  return parts.slice(0, first).join(sep) || sep
}

/** Files that all lie below the source's root: a link may lead out of it, and whoever made the folder did not name what is there. */
const within = (path: string, files: ReadonlyArray<string>): ReadonlyArray<string> => {
  const root = realpathSync(rootOf(path))
  for (const file of files) {
    const real = realpathSync(file)
    if (real.startsWith(root === sep ? sep : root + sep)) continue
    throw new Error(`${relative(rootOf(path), file)} is a link out of the folder, which is not followed`)
  }
  return files
}

/**
 * The files of a source, sorted by path: itself, all below a folder but hidden ones, or those that match. Throws where one of several is a
 * link that leads elsewhere.
 */
export const filesAt = (path: string): ReadonlyArray<string> => {
  const kind = pathKind(path)
  if (kind === "folder") return within(path, filesBelow(path))
  if (kind !== "pattern") return [path]
  const matching = globSync(path).filter((file) => pathKind(file) === "file")
  return within(path, matching.sort())
}

const filesBelow = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.name.startsWith("."))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .filter((file) => pathKind(file) === "file")

/** The digest of several files as one source: over their relative names and digests, in their order. */
export const combinedDigest = (
  path: string,
  files: Iterable<{ readonly path: string; readonly digest: string }>
): string => {
  const root = rootOf(path)
  const hash = createHash("sha256").update("hone-folder/1\0")
  for (const file of files) hash.update(`${relative(root, file.path)}\0${file.digest}\0`)
  return hash.digest("hex")
}
