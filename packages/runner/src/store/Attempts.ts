import { mkdtempSync } from "node:fs"
import { join } from "node:path"
import { isOfDead, ownerTag } from "./Alive.ts"
import { remove } from "./Files.ts"
import type { StoreFolder } from "./Folder.ts"
import { makeFolder } from "./Folder.ts"
import { sweepLeases } from "./Lease.ts"
import { namesIn } from "./Scan.ts"

/** A private folder for one attempt at a stage. Its name says whose it is, so that the next run can tell a dead one. */
export const openAttempt = (folder: StoreFolder): string =>
  mkdtempSync(join(makeFolder(folder.attempts), `${ownerTag}-`))

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
