import { readFileSync, statSync } from "node:fs"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import { seal, unseal } from "@hone/core/Sealed"
import type { StoreFolder } from "./Folder.ts"
import { blobPath, recordPath } from "./Folder.ts"

export const recordText = (record: ActionRecord): string => seal("record", record)

/** The record under a key, if there is one whose checksum holds. */
export const readRecord = (folder: StoreFolder, key: string): ActionRecord | undefined => {
  const path = recordPath(folder, key)
  // Most lookups of a first run find nothing, and to throw and catch ENOENT costs ten times a stat.
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined
  let text: string
  try {
    text = readFileSync(path, "utf8")
  } catch {
    return undefined
  }
  const record = unseal<ActionRecord>("record", text)
  return record?.key === key ? record : undefined
}

const hasBlob = (folder: StoreFolder, blob: string, bytes: number | undefined): boolean => {
  const stat = statSync(blobPath(folder, blob), { throwIfNoEntry: false })
  return stat !== undefined && (bytes === undefined || stat.size === bytes)
}

/** The blobs that a record names, with their lengths where it says them. */
const namedBlobs = (record: ActionRecord) =>
  Object.values(record.outputs).flatMap(({ blob, bytes, links }) => [
    { blob, bytes },
    ...links.map((link) => ({ blob: link, bytes: undefined }))
  ])

/** A record counts only with every blob that it names, at its full length. */
export const isWhole = (folder: StoreFolder, record: ActionRecord): boolean =>
  namedBlobs(record).every(({ blob, bytes }) => hasBlob(folder, blob, bytes))

/** The files for which the record that lies under a key is no hit: itself, or what it names. Empty where there is none. */
export const damageOf = (folder: StoreFolder, key: string): ReadonlyArray<string> => {
  const path = recordPath(folder, key)
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return []
  const record = readRecord(folder, key)
  if (record === undefined) return [path]
  return namedBlobs(record).flatMap(({ blob, bytes }) => (hasBlob(folder, blob, bytes) ? [] : [blobPath(folder, blob)]))
}
