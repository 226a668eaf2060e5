import { chmodSync, existsSync, renameSync } from "node:fs"
import { basename, join } from "node:path"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import type { OutputArtifact } from "@hone/core/Stage"
import { createFile, makeDurableFolder, replaceFile, syncFolder } from "./Files.ts"
import type { StoreFolder } from "./Folder.ts"
import { blobPath, makeFolder, recordPath } from "./Folder.ts"
import { isWhole, readRecord, recordText } from "./Records.ts"
import { putOnShelf } from "./Shelf.ts"

/**
 * Moves the finished, fsynced files of an attempt under their digests. What is there already is equal, or is damaged and replaced. All
 * are moved before the first folder is synced: the journal that this writes then holds them all, and the further ones find it written.
 */
const keepBlobs = (folder: StoreFolder, attempt: string, outputs: ReadonlyArray<OutputArtifact>): void => {
  const shards = new Set<string>()
  for (const { blob, file } of outputs) {
    const shard = makeDurableFolder(join(folder.cas, blob.slice(0, 2)))
    const source = join(attempt, file)
    chmodSync(source, 0o444)
    renameSync(source, blobPath(folder, blob))
    shards.add(shard)
  }
  for (const shard of shards) syncFolder(shard)
}

/** `drifted`: another result with other content was there first; it stays, and this one is noted beside it. */
export type Committed = { readonly how: "created" | "equal" | "drifted"; readonly record: ActionRecord }

const sameContent = (a: ActionRecord, b: ActionRecord): boolean =>
  Object.entries(a.outputs).every(([name, output]) => b.outputs[name]?.content === output.content)

/** Keeps the files of a result that gets no record: what follows in this run reads them, and gc takes them. */
export const keepUncached = (folder: StoreFolder, attempt: string, record: ActionRecord): ActionRecord => {
  keepBlobs(folder, attempt, Object.values(record.outputs))
  return record
}

/** Sets a damaged file aside, so that nothing takes it for what it was: what made it runs again. */
export const setAside = (folder: StoreFolder, path: string): void => {
  if (existsSync(path)) renameSync(path, join(makeFolder(folder.damaged), `${basename(path)}-${Date.now()}`))
}

/** Stores whose names of records were synced by this process. */
const settled = new Set<string>()

/**
 * Makes the names of the records that are there durable, once a process: one may be of a run that was killed between naming it and syncing
 * its folder, and a hit must not be lost to a power cut either. A store that cannot be written is as durable as it gets.
 */
export const settleRecords = ({ ac }: StoreFolder): void => {
  if (settled.has(ac) || !existsSync(ac)) return
  settled.add(ac)
  try {
    syncFolder(ac)
  } catch {
    // See above.
  }
}

/** Blobs first, and the record last and exclusively: whoever finds the record finds all of it. */
export const commit = (folder: StoreFolder, attempt: string, record: ActionRecord): Committed => {
  keepBlobs(folder, attempt, Object.values(record.outputs))
  makeDurableFolder(folder.ac)
  const path = recordPath(folder, record.key)
  if (createFile(path, recordText(record)) === "created") {
    putOnShelf(folder, record)
    return { how: "created", record }
  }
  const first = readRecord(folder, record.key)
  if (first === undefined || !isWhole(folder, first)) {
    replaceFile(path, recordText(record)) // what was there could not be used
    return { how: "created", record }
  }
  if (sameContent(first, record)) return { how: "equal", record: first }
  createFile(join(makeFolder(folder.drift), `${record.key}-${Date.now()}.json`), recordText(record))
  return { how: "drifted", record: first }
}
