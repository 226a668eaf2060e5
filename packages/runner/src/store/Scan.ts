import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import type { LastKeys } from "@hone/core/Services"
import { readSealed } from "./Files.ts"
import type { StoreFolder } from "./Folder.ts"
import { readRecord } from "./Records.ts"

/** What a folder holds; nothing where there is none. */
export const namesIn = (path: string): ReadonlyArray<string> => {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** The keys of all record files, whole or not. */
export const recordKeys = (folder: StoreFolder): ReadonlyArray<string> =>
  namesIn(folder.ac).flatMap((name) => (name.endsWith(".json") ? [name.slice(0, -5)] : []))

export const allRecords = (folder: StoreFolder): ReadonlyArray<ActionRecord> =>
  recordKeys(folder).flatMap((key) => readRecord(folder, key) ?? [])

/** Notes of results that came out otherwise under a key whose first result stays: paths, the newest last. */
export const driftsOf = (folder: StoreFolder, key: string): ReadonlyArray<string> =>
  namesIn(folder.drift)
    .filter((name) => name.startsWith(`${key}-`))
    .sort()
    .map((name) => join(folder.drift, name))

export interface StoredBlob {
  readonly blob: string
  readonly path: string
  readonly bytes: number
  /** Milliseconds since the epoch. */
  readonly written_at: number
}

export const allBlobs = (folder: StoreFolder): ReadonlyArray<StoredBlob> =>
  namesIn(folder.cas).flatMap((shard) =>
    namesIn(join(folder.cas, shard)).map((blob) => {
      const path = join(folder.cas, shard, blob)
      const { mtimeMs, size } = statSync(path)
      return { blob, path, bytes: size, written_at: mtimeMs }
    })
  )

/** The blobs that a record cannot do without. */
export const blobsOf = (record: ActionRecord): ReadonlyArray<string> =>
  Object.values(record.outputs).flatMap((output) => [output.blob, ...output.links])

/**
 * Keys that some pipeline file used when it last ran: what a plan of it would hit. `damaged` are the files that cannot say it any more;
 * the next run of their pipeline writes them anew.
 */
export const keysInUse = (folder: StoreFolder) => {
  const keys = new Set<string>()
  const damaged: Array<string> = []
  for (const name of namesIn(folder.last).filter((name) => name.endsWith(".json"))) {
    const path = join(folder.last, name)
    const last = readSealed<LastKeys>("last", path)
    if (last === undefined) damaged.push(path)
    else for (const stages of Object.values(last)) for (const key of Object.values(stages)) keys.add(key)
  }
  return { keys, damaged }
}

export interface Trajectory {
  readonly name: string
  readonly path: string
  readonly bytes: number
  /** Milliseconds since the epoch at which it was last written to. */
  readonly written_at: number
}

/** Folders of checkpoints. */
export const trajectories = (folder: StoreFolder): ReadonlyArray<Trajectory> =>
  namesIn(folder.trajectories).map((name) => {
    const path = join(folder.trajectories, name)
    const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    const bytes = files.reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0)
    return { name, path, bytes, written_at: statSync(path).mtimeMs }
  })
