import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync
} from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { syncFolder } from "../store/Files.ts"

/** A file to be written, by a plain name; its bytes come in pieces. */
export interface FileToWrite {
  readonly name: string
  readonly pieces: () => Iterable<Uint8Array>
}

export interface WrittenFile {
  readonly name: string
  readonly bytes: number
}

/** Why a place cannot take a folder, with the way out. */
export interface Occupied {
  readonly message: string
  readonly hint: string
}

const names = (folder: string): ReadonlyArray<string> => readdirSync(folder).filter((name) => name !== ".DS_Store")

/** Whether a folder may be written at `target`: nothing is there, or a model folder that the user wants replaced. */
export const occupied = (target: string, replace: boolean): Occupied | undefined => {
  const there = lstatSync(target, { throwIfNoEntry: false })
  if (there === undefined) return undefined
  if (!there.isDirectory())
    return { message: `${target} is there, and no folder`, hint: "name another place with --to" }
  const inside = names(target)
  if (inside.length === 0) return undefined
  if (!replace)
    return {
      message: `${target} is there already`,
      hint: "write --force to replace it, or name another place with --to"
    }
  // Replacing removes what is there: a mistyped --to must not cost a folder of other things.
  if (inside.includes("config.json") && inside.includes("model.safetensors")) return undefined
  return {
    message: `${target} holds other things than a model`,
    hint: "--force replaces model folders alone: name another place with --to"
  }
}

const writeFile = (folder: string, { name, pieces }: FileToWrite): WrittenFile => {
  if (basename(name) !== name || name === "." || name === "..")
    throw new Error(`a file of a model folder is named ${JSON.stringify(name)}`)
  const fd = openSync(join(folder, name), "wx", 0o644)
  let bytes = 0
  try {
    for (const piece of pieces()) {
      for (let at = 0; at < piece.byteLength;) at += writeSync(fd, piece, at, Math.min(piece.byteLength - at, 1 << 30))
      bytes += piece.byteLength
    }
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  return { name, bytes }
}

/**
 * Writes a folder whole or not at all: beside its place, then by one rename. What was there goes only once the new one stands
 * complete. Throws the system's errors. The caller has asked `occupied`.
 */
export const writeModelFolder = (target: string, files: Iterable<FileToWrite>): ReadonlyArray<WrittenFile> => {
  const place = resolve(target)
  const above = dirname(place)
  mkdirSync(above, { recursive: true })
  const beside = (what: string) => join(above, `.${basename(place)}.${process.pid}.${what}`)
  const partial = beside("partial")
  const old = beside("old")
  mkdirSync(partial)
  try {
    const written = Array.from(files, (file) => writeFile(partial, file))
    syncFolder(partial)
    if (existsSync(place)) renameSync(place, old)
    renameSync(partial, place)
    syncFolder(above)
    return written
  } finally {
    rmSync(partial, { recursive: true, force: true })
    rmSync(old, { recursive: true, force: true })
  }
}
