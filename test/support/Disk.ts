import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import type { Call } from "./faults.ts"

interface File {
  bytes: Buffer
  /** What a power cut leaves: the bytes at the last sync. */
  synced: Buffer
}

/** What a power cut may leave of the names that no sync of their folder has made durable. */
export type Names = "lost" | "kept"

/**
 * A disk as strict as the standard allows: bytes are durable once their file is synced, a name once its folder is. It follows the calls of a
 * trace, and shows what a power cut between two of them would leave.
 */
export class Disk {
  readonly #names = new Map<string, File | "folder">()
  readonly #durable = new Map<string, File | "folder">()

  follow({ call, data, path, to }: Call): void {
    const bytes = Buffer.from(data ?? "", "base64")
    switch (call) {
      case "mkdirSync":
        return this.#makeFolder(path)
      case "openSync":
        return this.#create(path)
      case "writeFileSync":
      case "writeSync":
        return this.#append(path, bytes)
      case "fsyncSync":
        return this.#sync(path)
      case "renameSync":
        return this.#rename(path, to!)
      case "linkSync":
        return void this.#names.set(to!, this.#names.get(path)!)
      case "unlinkSync":
      case "rmSync":
        return this.#remove(path)
    }
  }

  #makeFolder(path: string): void {
    for (let at = path; at !== "." && !this.#names.has(at); at = dirname(at)) this.#names.set(at, "folder")
  }

  #create(path: string): void {
    this.#makeFolder(dirname(path))
    this.#names.set(path, { bytes: Buffer.alloc(0), synced: Buffer.alloc(0) })
  }

  #append(path: string, bytes: Buffer): void {
    if (!this.#names.has(path)) this.#create(path)
    const file = this.#names.get(path) as File
    file.bytes = Buffer.concat([file.bytes, bytes])
  }

  #sync(path: string): void {
    const file = this.#names.get(path)
    if (file !== undefined && file !== "folder") {
      file.synced = file.bytes
      return
    }
    const folder = path === "" ? "." : path
    for (const name of this.#durable.keys())
      if (dirname(name) === folder && !this.#names.has(name)) this.#durable.delete(name)
    for (const [name, what] of this.#names) if (dirname(name) === folder) this.#durable.set(name, what)
  }

  #rename(path: string, to: string): void {
    this.#names.set(to, this.#names.get(path)!)
    this.#names.delete(path)
  }

  #remove(path: string): void {
    for (const name of this.#names.keys()) if (name === path || name.startsWith(`${path}/`)) this.#names.delete(name)
  }

  /** Writes what a power cut now would leave into a folder. */
  cut(names: Names, folder: string): void {
    const left = names === "kept" ? this.#names : this.#durable
    const isThere = (path: string): boolean => path === "." || (left.has(path) && isThere(dirname(path)))
    for (const [path, what] of left) {
      if (what === "folder" || !isThere(path)) continue
      mkdirSync(join(folder, dirname(path)), { recursive: true })
      writeFileSync(join(folder, path), what.synced)
    }
  }
}
