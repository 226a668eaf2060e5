import { appendFileSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from "node:fs"
import { join } from "node:path"
import { isOfDead, ownerTag, silentMillis } from "./Alive.ts"
import type { StoreFolder } from "./Folder.ts"
import { makeFolder } from "./Folder.ts"

/** Runs of this process that use a store, by its root, and the timer of their common notes. */
const open = new Map<string, { runs: number; readonly beat: NodeJS.Timeout }>()

const beatMillis = 60 * 1000

const own = (folder: StoreFolder) => join(folder.live, ownerTag)

const beat = (folder: StoreFolder): void => {
  try {
    const now = new Date()
    utimesSync(own(folder), now, now)
  } catch {
    // It has noted nothing yet.
  }
}

/** Notes keys and blobs that this process uses, so that a `gc` beside it leaves them. Appended: a run notes thousands, one by one. */
export const noteInUse = (folder: StoreFolder, names: ReadonlyArray<string>): void => {
  if (names.length === 0) return
  try {
    appendFileSync(join(makeFolder(folder.live), ownerTag), `${names.join("\n")}\n`)
  } catch {
    // Where nothing can be written, nothing can be collected.
  }
}

/** A run begins to use the store, or ends: notes are kept young until the last run of the process, and go with it. */
export const enter = (folder: StoreFolder): void => {
  const known = open.get(folder.root)
  if (known !== undefined) known.runs += 1
  else open.set(folder.root, { runs: 1, beat: setInterval(() => beat(folder), beatMillis).unref() })
}

export const leave = (folder: StoreFolder): void => {
  const known = open.get(folder.root)
  if (known === undefined) return
  known.runs -= 1
  if (known.runs > 0) return
  clearInterval(known.beat)
  open.delete(folder.root)
  try {
    rmSync(own(folder), { force: true })
  } catch {
    // It is removed by a later run.
  }
}

/** Whether notes are of a run that is under way as far as anybody can tell: its process is not known to be gone, and was heard of lately. */
const isOfLiving = (folder: StoreFolder, name: string, now: number): boolean => {
  if (isOfDead(name)) return false
  const stat = statSync(join(folder.live, name), { throwIfNoEntry: false })
  return stat !== undefined && now - stat.mtimeMs < silentMillis
}

/** What runs that are under way at `now` (ms since 1970) use, here and on other machines; `isAny` while there is one. */
export const inUseNow = (
  folder: StoreFolder,
  now: number
): { readonly isAny: boolean; readonly names: ReadonlySet<string> } => {
  let files: ReadonlyArray<string>
  try {
    files = readdirSync(folder.live).filter((name) => isOfLiving(folder, name, now))
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
