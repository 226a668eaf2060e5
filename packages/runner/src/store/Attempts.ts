import { mkdtempSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { isOfDead, ownerTag } from "./Alive.ts"
import { remove } from "./Files.ts"
import type { StoreFolder } from "./Folder.ts"
import { makeFolder } from "./Folder.ts"
import { sweepLeases } from "./Lease.ts"
import { namesIn } from "./Scan.ts"

/** Folders of attempts that ended well and empty, by store: to make and remove one takes longer than most small stages. */
const spare = new Map<string, Array<string>>()

/** A private folder for one attempt at a stage. Its name says whose it is, so that the next run can tell a dead one. */
export const openAttempt = (folder: StoreFolder): string => spare.get(folder.attempts)?.pop() ?? makeAttempt(folder)

const makeAttempt = (folder: StoreFolder): string => {
  const prefix = join(folder.attempts, `${ownerTag}-`)
  try {
    return mkdtempSync(prefix)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error
    makeFolder(folder.attempts)
    return mkdtempSync(prefix)
  }
}

/** Ends an attempt whose worker is done with its folder: where nothing is left in it, the next attempt takes it over. */
export const reuseAttempt = (folder: StoreFolder, attempt: string): void => {
  if (!isEmpty(attempt)) return remove(attempt)
  const folders = spare.get(folder.attempts)
  if (folders === undefined) spare.set(folder.attempts, [attempt])
  else folders.push(attempt)
}

const isEmpty = (attempt: string): boolean => {
  try {
    return readdirSync(attempt).length === 0
  } catch {
    return false
  }
}

/** Removes the folders that wait for further attempts. */
export const endAttempts = (folder: StoreFolder): void => {
  for (const attempt of spare.get(folder.attempts) ?? []) remove(attempt)
  spare.delete(folder.attempts)
}

/**
 * Removes what runs of this machine that were killed left behind: attempts, files that were still being written, notes of what they used,
 * and leases that nobody may come to wait for.
 */
export const sweepScratch = (folder: StoreFolder): void => {
  for (const place of [folder.attempts, folder.live])
    for (const name of namesIn(place)) if (isOfDead(name)) remove(join(place, name))
  for (const place of [folder.ac, folder.drift, folder.runs, folder.last, folder.memo, folder.pins])
    for (const name of namesIn(place)) if (name.endsWith(".tmp") && isOfDead(name)) remove(join(place, name))
  sweepLeases(folder)
}
