import {
  closeSync,
  fsync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
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

/** Makes a folder whose name survives a power cut: each name that was new is synced in the folder above it. */
export const makeDurableFolder = (path: string): string => {
  const first = mkdirSync(path, { recursive: true })
  if (first === undefined) return path
  for (let made = path; made.length >= first.length; made = dirname(made)) syncFolder(dirname(made))
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

/** As `remove`, for what is a file: one call of the system. */
export const removeFile = (path: string): void => {
  try {
    unlinkSync(path)
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

/** Waits for the disk on the system's own threads: several files at once then share a write of its journal. */
const syncing = (fd: number): Promise<void> =>
  new Promise((resolve, reject) => fsync(fd, (error) => (error ? reject(error) : resolve())))

/** Resolves once the bytes of a file, or the names in a folder, are durable. */
export const synced = async (path: string): Promise<void> => {
  const fd = openSync(path, "r")
  try {
    await syncing(fd)
  } finally {
    closeSync(fd)
  }
}

/** A file that is whole and durable under a name for the time being, which it gives: `nameDraft` gives it its own. */
export const createDraft = async (path: string, text: string): Promise<string> => {
  const draft = besides(path)
  const fd = openSync(draft, "wx", 0o644)
  try {
    writeFileSync(fd, text)
    await syncing(fd)
    return draft
  } catch (error) {
    removeFile(draft)
    throw error
  } finally {
    closeSync(fd)
  }
}

/** Gives a draft its name, or says that there is one: the first writer wins. Durable once the folder is synced. */
export const nameDraft = (draft: string, path: string): "created" | "exists" => {
  try {
    linkSync(draft, path)
    return "created"
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return "exists"
    throw error
  } finally {
    removeFile(draft)
  }
}

/** Creates a file whole and durable, or says that it exists: the first writer wins. */
export const createFile = (path: string, text: string, mode?: number): "created" | "exists" => {
  const tmp = besides(path)
  writeSynced(tmp, text, mode)
  const how = nameDraft(tmp, path)
  if (how === "created") syncFolder(dirname(path))
  return how
}

/** The value of a sealed file; undefined where it is absent, cannot be read, or its checksum does not hold. */
export const readSealed = <T>(name: string, path: string): T | undefined => {
  try {
    return unseal<T>(name, readFileSync(path, "utf8"))
  } catch {
    return undefined
  }
}
