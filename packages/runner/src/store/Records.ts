import { readFileSync, statSync } from "node:fs"
import { sha256 } from "@hone/core/Canonical"
import { shelfOf } from "@hone/core/plan/Key"
import { ActionRecord } from "@hone/core/record/ActionRecord"
import { ActionRecords } from "@hone/core/Services"
import { Effect, Layer, Option } from "effect"
import type { StoreFolder } from "./Folder.ts"
import { blobPath, recordPath } from "./Folder.ts"
import { openShelves } from "./Shelf.ts"

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

/** The records of a store folder. Reads are synchronous: each is one small file, and a plan reads thousands. */
export const layer = (folder: StoreFolder): Layer.Layer<ActionRecords> => {
  const shelves = openShelves(folder)
  const whole = (key: string): ReadonlyArray<ActionRecord> => {
    const record = readRecord(folder, key)
    return record !== undefined && isWhole(folder, record) ? [record] : []
  }
  return Layer.succeed(
    ActionRecords,
    ActionRecords.of({
      lookup: (key) => Effect.sync(() => Option.fromNullishOr(whole(key)[0])),
      recall: (key) => Effect.sync(() => Option.fromNullishOr(readRecord(folder, key))),
      shelf: (preimage) => Effect.sync(() => shelves.keysOn(preimage.step.kind, shelfOf(preimage)).flatMap(whole)),
      ofKind: (kind) => Effect.sync(() => shelves.keysOfKind(kind).flatMap((key) => readRecord(folder, key) ?? []))
    })
  )
}
