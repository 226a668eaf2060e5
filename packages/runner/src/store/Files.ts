import { closeSync, fsyncSync, linkSync, openSync, renameSync, unlinkSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"

/** Makes the names in a folder durable: a rename is only safe once its folder is. */
export const syncFolder = (path: string): void => {
  const fd = openSync(path, "r")
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

const writeSynced = (path: string, text: string): void => {
  const fd = openSync(path, "wx", 0o644)
  try {
    writeFileSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

let serial = 0
const besides = (path: string) => `${path}.${process.pid}.${serial++}.tmp`

/** Replaces a file as a whole: a reader sees the old text or the new, never a part. */
export const replaceFile = (path: string, text: string): void => {
  const tmp = besides(path)
  writeSynced(tmp, text)
  renameSync(tmp, path)
  syncFolder(dirname(path))
}

/** Creates a file whole and durable, or says that it exists: the first writer wins. */
export const createFile = (path: string, text: string): "created" | "exists" => {
  const tmp = besides(path)
  writeSynced(tmp, text)
  try {
    linkSync(tmp, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return "exists"
    throw error
  } finally {
    unlinkSync(tmp)
  }
  syncFolder(dirname(path))
  return "created"
}
