// Small file habits of set-up: digests, atomic writes, private folders that a crash leaves recognisable.
import { createHash, randomBytes } from "node:crypto"
import { accessSync, constants, createReadStream, mkdirSync, readFileSync, readdirSync } from "node:fs"
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { delimiter, dirname, join } from "node:path"

/** sha256 of a file as lower-case hex, read in chunks. */
export async function sha256OfFile(file) {
  const hash = createHash("sha256")
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk)
  return hash.digest("hex")
}

/** Parsed JSON, or undefined where the file is absent or not whole. */
export function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"))
  } catch {
    return undefined
  }
}

/** Writes beside the target and renames: a reader sees the old text or the new one, never a part. */
export function writeJson(file, value) {
  mkdirSync(dirname(file), { recursive: true })
  const beside = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`
  writeFileSync(beside, `${JSON.stringify(value, null, 2)}\n`)
  renameSync(beside, file)
}

/** Size in bytes, or -1 where there is no such file. */
export function sizeOf(file) {
  return statSync(file, { throwIfNoEntry: false })?.size ?? -1
}

/** Absolute path of a command on PATH, or undefined. */
export function which(command, env = process.env) {
  if (command.includes("/")) return isExecutable(command) ? command : undefined
  for (const folder of (env.PATH ?? "").split(delimiter)) {
    const file = join(folder, command)
    if (folder && isExecutable(file)) return file
  }
  return undefined
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

/** Why nothing can be written into a folder, which is made where it is absent; undefined where it can. */
export function unwritableFolder(folder) {
  try {
    mkdirSync(folder, { recursive: true })
    rmSync(partialFolder(folder), { recursive: true, force: true })
    return undefined
  } catch (cause) {
    return cause.message
  }
}

const partialPrefix = ".partial-"
const abandonedAfterMs = 24 * 3600 * 1000

/** A private folder inside `parent`, to be filled and then renamed into place. */
export function partialFolder(parent) {
  const folder = join(parent, `${partialPrefix}${hostname()}-${process.pid}-${randomBytes(4).toString("hex")}`)
  mkdirSync(folder, { recursive: true })
  return folder
}

/**
 * Removes private folders that nobody will finish. Called with the cache's lock held, so those of this host are dead;
 * another host may share the folder without sharing the lock, so its folders are given a day.
 */
export function sweepPartials(parent) {
  for (const name of listFolder(parent)) {
    if (!name.startsWith(partialPrefix)) continue
    const folder = join(parent, name)
    const age = Date.now() - (statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
    const ours = name.startsWith(`${partialPrefix}${hostname()}-`)
    if (ours || age > abandonedAfterMs) rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * Renames a finished private folder into place. What lies there is replaced only if `isWhole` says that it is damaged;
 * two that finish at once both end with the first one's files.
 */
export function publishFolder(partial, target, isWhole) {
  mkdirSync(dirname(target), { recursive: true })
  if (isWhole(target)) return rmSync(partial, { recursive: true, force: true })
  rmSync(target, { recursive: true, force: true })
  try {
    renameSync(partial, target)
  } catch (cause) {
    rmSync(partial, { recursive: true, force: true })
    if (!isWhole(target)) throw cause
  }
}

/** Bytes of all files below a folder; 0 where it is absent. */
export function bytesBelow(folder) {
  let bytes = 0
  for (const name of listFolder(folder)) {
    const stat = statSync(join(folder, name), { throwIfNoEntry: false })
    if (stat?.isDirectory()) bytes += bytesBelow(join(folder, name))
    else bytes += stat?.size ?? 0
  }
  return bytes
}

function listFolder(folder) {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
