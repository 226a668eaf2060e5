import { readdirSync, statSync } from "node:fs"
import { basename, join } from "node:path"
import { keyOf } from "@hone/core/plan/Key"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import { filesOfState, readStateFile, stateName } from "@hone/steps/train/checkpointState"
import { digestFile } from "../sources/Digest.ts"
import { readSealed } from "./Files.ts"
import type { StoreFolder } from "./Folder.ts"
import { blobPath, recordPath } from "./Folder.ts"
import { isWhole, readRecord } from "./Records.ts"
import { allBlobs, allRecords, blobsOf, namesIn, recordKeys, trajectories } from "./Scan.ts"
import { readPins } from "./Pins.ts"
import { strandedEntries } from "./Shelf.ts"
import { readSweepUse } from "./SweepUse.ts"

/** Something in the store that is not what it says it is. */
export interface Damage {
  readonly what: "record" | "blob" | "missing" | "note" | "checkpoint"
  readonly path: string
  /** The kinds of stages whose results it spoils. */
  readonly spoils: ReadonlyArray<string>
}

/** A record whose checksum does not hold, or that lies under a key which its preimage does not give. */
const damagedRecords = (folder: StoreFolder): ReadonlyArray<Damage> =>
  recordKeys(folder).flatMap((key) => {
    const record = readRecord(folder, key)
    return record !== undefined && keyOf(record.preimage) === key
      ? []
      : [{ what: "record", path: recordPath(folder, key), spoils: [] } as const]
  })

/** Records that were made and are gone: their shelf or a pin still names them. */
const deletedRecords = (folder: StoreFolder): ReadonlyArray<Damage> => {
  const missing = (key: string, spoils: ReadonlyArray<string>): Damage => ({
    what: "missing",
    path: recordPath(folder, key),
    spoils
  })
  const stranded = strandedEntries(folder)
  const seen = new Set(stranded.map(({ key }) => key))
  const there = new Set(recordKeys(folder))
  const pinned = new Set(readPins(folder).flatMap(({ pin }) => pin?.keys ?? []))
  return [
    ...stranded.map(({ key, kind }) => missing(key, [kind])),
    ...[...pinned].filter((key) => !there.has(key) && !seen.has(key)).map((key) => missing(key, []))
  ]
}

const damagedBlobs = (folder: StoreFolder): ReadonlyArray<Damage> => {
  const records = allRecords(folder)
  const spoils = (blob: string) => [
    ...new Set(records.filter((record) => blobsOf(record).includes(blob)).map((record) => record.preimage.step.kind))
  ]
  const blobs = allBlobs(folder)
  const changed = blobs
    .filter(({ blob, path }) => digestFile(path) !== blob)
    .map(({ blob, path }): Damage => ({ what: "blob", path, spoils: spoils(blob) }))
  const present = new Set(blobs.map(({ blob }) => blob))
  const wanted = new Set(records.filter((record) => !isWhole(folder, record)).flatMap(blobsOf))
  const missing = [...wanted]
    .filter((blob) => !present.has(blob))
    .map((blob): Damage => ({ what: "missing", path: blobPath(folder, blob), spoils: spoils(blob) }))
  return [...changed, ...missing]
}

/** Files that no result hangs on: what ran when, what is in use, digests of sources by stat, pins, results that drifted. */
const damagedNotes = (folder: StoreFolder): ReadonlyArray<Damage> => {
  const places = { run: folder.runs, last: folder.last, memo: folder.memo, pin: folder.pins, record: folder.drift }
  return Object.entries(places).flatMap(([name, place]) =>
    namesIn(place)
      .filter((file) => file.endsWith(".json"))
      .map((file) => join(place, file))
      .filter((path) => readSealed<ActionRecord>(name, path) === undefined)
      .map((path): Damage => ({ what: "note", path, spoils: [] }))
  )
}

/** Lines of logs of sweeps. */
const damagedLogs = (folder: StoreFolder): ReadonlyArray<Damage> =>
  readSweepUse(folder).damaged.map((path) => ({ what: "note", path, spoils: [] }))

const isFile = (path: string) => statSync(path, { throwIfNoEntry: false })?.isFile() === true

const damagedCheckpoints = (folder: StoreFolder): ReadonlyArray<Damage> =>
  trajectories(folder).flatMap(({ path: trajectory }) =>
    readdirSync(trajectory)
      .filter((name) => name.startsWith("step-"))
      .map((name) => join(trajectory, name))
      .flatMap((place) => {
        const state = readStateFile(place)
        const files = state?.trajectory === basename(trajectory) ? filesOfState(state) : undefined
        const damaged =
          files === undefined
            ? [stateName]
            : files.flatMap(([name, digest]) => {
                const path = join(place, name)
                return isFile(path) && digestFile(path) === digest ? [] : [name]
              })
        return damaged.map((name): Damage => ({ what: "checkpoint", path: join(place, name), spoils: ["train"] }))
      })
  )

/** Reads everything in the store again and holds it against its digests and checksums. */
export const verify = (folder: StoreFolder): ReadonlyArray<Damage> => [
  ...damagedRecords(folder),
  ...deletedRecords(folder),
  ...damagedBlobs(folder),
  ...damagedNotes(folder),
  ...damagedLogs(folder),
  ...damagedCheckpoints(folder)
]
