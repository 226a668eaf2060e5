import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { dirname } from "node:path"
import { unseal } from "@hone/core/Sealed"
import { ownerTag } from "./Alive.ts"

/** Makes the names in a folder durable: a rename is only safe once its folder is. */
export const syncFolder = (path: string): void => {
  const fd = openSync(path, "r")
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Folders whose names this process has seen made durable. */
const durable = new Set<string>()

/**
 * Makes a folder whose name survives a power cut: each name that was new is synced in the folder above it. So is one that was there, once,
 * since another process may have made it and been killed before it synced.
 */
export const makeDurableFolder = (path: string): string => {
  const first = mkdirSync(path, { recursive: true })
  if (first === undefined && durable.has(path)) return path
  const last = first ?? path
  for (let made = path; made.length >= last.length; made = dirname(made)) syncFolder(dirname(made))
  durable.add(path)
  return path
}

/** Never fails: what stays is removed by a later run, see `sweepScratch`. */
export const remove = (path: string): void => {
  try {
    rmSync(path, { recursive: true, force: true })
  } catch {
    // See above.
  }
}

/** Nothing of the file stays where the disk refuses. */
const writeSynced = (path: string, text: string, mode = 0o644): void => {
  const fd = openSync(path, "wx", mode)
  try {
    writeFileSync(fd, text)
    fsyncSync(fd)
  } catch (error) {
    remove(path)
    throw error
  } finally {
    closeSync(fd)
  }
}

let serial = 0
const besides = (path: string) => `${path}.${ownerTag}.${serial++}.tmp`

/** Replaces a file as a whole: a reader sees the old text or the new, never a part. */
export const replaceFile = (path: string, text: string): void => {
  const tmp = besides(path)
  writeSynced(tmp, text)
  try {
    renameSync(tmp, path)
  } catch (error) {
    remove(tmp)
    throw error
  }
  syncFolder(dirname(path))
}

/** Creates a file whole and durable, or says that it exists: the first writer wins, which may have been killed before it synced the name. */
export const createFile = (path: string, text: string, mode?: number): "created" | "exists" => {
  const tmp = besides(path)
  writeSynced(tmp, text, mode)
  try {
    linkSync(tmp, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
    syncFolder(dirname(path))
    return "exists"
  } finally {
    remove(tmp)
  }
  syncFolder(dirname(path))
  return "created"
}

/** The value of a sealed file; undefined where it is absent, cannot be read, or its checksum does not hold. */
export const readSealed = <T>(name: string, path: string): T | undefined => {
  try {
    return unseal<T>(name, readFileSync(path, "utf8"))
  } catch {
    return undefined
  }
}
