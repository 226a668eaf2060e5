import { createHash } from "node:crypto"
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import type { Place } from "./hone.ts"

export interface StoredRecord {
  readonly path: string
  readonly record: ActionRecord
}

/** The records in the store of a place. */
export const recordsIn = (place: Place): ReadonlyArray<StoredRecord> => {
  const ac = join(place.folder, ".hone/ac")
  return filesIn(place, "ac")
    .map((path) => basename(path))
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => {
      const path = join(ac, name)
      return { path, record: (JSON.parse(readFileSync(path, "utf8")) as { record: ActionRecord }).record }
    })
}

/** The one record of a kind of stage. */
export const recordOf = (place: Place, kind: string): StoredRecord => {
  const found = recordsIn(place).find(({ record }) => record.preimage.step.kind === kind)
  if (found === undefined) throw new Error(`no record of ${kind}`)
  return found
}

/** Writes a record with a checksum that holds: what somebody who may write to a store can do. */
export const forge = (path: string, record: ActionRecord): void => {
  const checksum = createHash("sha256").update(JSON.stringify(record)).digest("hex")
  writeFileSync(path, `${JSON.stringify({ checksum, record })}\n`)
}

export const pathOfBlob = (place: Place, blob: string): string =>
  join(place.folder, ".hone/cas", blob.slice(0, 2), blob)

/** Every file below a folder of the store. */
export const filesIn = (place: Place, name: string): ReadonlyArray<string> => {
  try {
    return readdirSync(join(place.folder, ".hone", name), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
  } catch {
    return []
  }
}

export const overwrite = (path: string, change: (bytes: Buffer) => Buffer): void => {
  chmodSync(path, 0o644)
  writeFileSync(path, change(readFileSync(path)))
}

/** One bit in the middle turned. */
export const flipped = (bytes: Buffer): Buffer => {
  const copy = Buffer.from(bytes)
  copy[copy.length >> 1]! ^= 1
  return copy
}

/** What each key gave: key -> the contents of its outputs. */
export const contentsIn = (place: Place): Readonly<Record<string, ReadonlyArray<string>>> =>
  Object.fromEntries(
    recordsIn(place).map(({ record }) => [record.key, Object.values(record.outputs).map(({ content }) => content)])
  )
