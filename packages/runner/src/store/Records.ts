import { readFileSync, statSync } from "node:fs"
import { sha256 } from "@hone/core/Canonical"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import type { StoreFolder } from "./Folder.ts"
import { blobPath, recordPath } from "./Folder.ts"

/** A record file: the record and the SHA-256 of its JSON text, so that a torn or edited one is no hit. */
interface RecordFile {
  readonly checksum: string
  readonly record: ActionRecord
}

export const recordText = (record: ActionRecord): string =>
  `${JSON.stringify({ checksum: sha256(JSON.stringify(record)), record } satisfies RecordFile)}\n`

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
  try {
    const { checksum, record } = JSON.parse(text) as RecordFile
    return record.key === key && sha256(JSON.stringify(record)) === checksum ? record : undefined
  } catch {
    return undefined
  }
}

const hasBlob = (folder: StoreFolder, blob: string, bytes: number | undefined): boolean => {
  const stat = statSync(blobPath(folder, blob), { throwIfNoEntry: false })
  return stat !== undefined && (bytes === undefined || stat.size === bytes)
}

/** A record counts only with every blob that it names, at its full length. */
export const isWhole = (folder: StoreFolder, record: ActionRecord): boolean =>
  Object.values(record.outputs).every(
    (output) =>
      hasBlob(folder, output.blob, output.bytes) && output.links.every((blob) => hasBlob(folder, blob, undefined))
  )
