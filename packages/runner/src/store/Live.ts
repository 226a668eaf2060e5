import { appendFileSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { isOfDead, ownerTag } from "./Alive.ts"
import type { StoreFolder } from "./Folder.ts"
import { makeFolder } from "./Folder.ts"

const open = new Map<string, number>()

const own = (folder: StoreFolder) => join(folder.live, ownerTag)

/** Notes keys and blobs that this process uses, so that a `gc` beside it leaves them. Appended: a run notes thousands, one by one. */
export const noteInUse = (folder: StoreFolder, names: ReadonlyArray<string>): void => {
  if (names.length === 0) return
  try {
    appendFileSync(join(makeFolder(folder.live), ownerTag), `${names.join("\n")}\n`)
  } catch {
    // Where nothing can be written, nothing can be collected.
  }
}

/** A run begins to use the store, or ends: the notes go with the last run of the process. */
export const enter = (folder: StoreFolder): void => void open.set(folder.root, (open.get(folder.root) ?? 0) + 1)

export const leave = (folder: StoreFolder): void => {
  const left = (open.get(folder.root) ?? 1) - 1
  open.set(folder.root, left)
  if (left > 0) return
  try {
    rmSync(own(folder), { force: true })
  } catch {
    // It is removed by a later run.
  }
}

/** What runs that are under way use, here and on other machines; `isAny` while there is one. */
export const inUseNow = (folder: StoreFolder): { readonly isAny: boolean; readonly names: ReadonlySet<string> } => {
  let files: ReadonlyArray<string>
  try {
    files = readdirSync(folder.live).filter((name) => !isOfDead(name))
  } catch {
    return { isAny: false, names: new Set() }
  }
  const names = files.flatMap((name) => {
    try {
      return readFileSync(join(folder.live, name), "utf8").split("\n")
    } catch {
      return [] // it ended meanwhile
    }
  })
  return { isAny: files.length > 0, names: new Set(names) }
}
