import { digestFile } from "../sources/Digest.ts"
import type { StoreFolder } from "./Folder.ts"
import { blobPath, recordPath } from "./Folder.ts"
import { isWhole, readRecord } from "./Records.ts"
import { allBlobs, allRecords, blobsOf, recordKeys } from "./Scan.ts"

/** Something in the store that is not what it says it is. */
export interface Damage {
  readonly what: "record" | "blob" | "missing"
  readonly path: string
  /** The kinds of stages whose results it spoils. */
  readonly spoils: ReadonlyArray<string>
}

/** Reads every record and every blob again and holds them against their digests. */
export const verify = (folder: StoreFolder): ReadonlyArray<Damage> => {
  const damage: Array<Damage> = []
  for (const key of recordKeys(folder)) {
    if (readRecord(folder, key) === undefined)
      damage.push({ what: "record", path: recordPath(folder, key), spoils: [] })
  }
  const records = allRecords(folder)
  const spoils = (blob: string) => [
    ...new Set(records.filter((record) => blobsOf(record).includes(blob)).map((record) => record.preimage.step.kind))
  ]
  const blobs = allBlobs(folder)
  for (const { blob, path } of blobs) {
    if (digestFile(path) !== blob) damage.push({ what: "blob", path, spoils: spoils(blob) })
  }
  const present = new Set(blobs.map(({ blob }) => blob))
  const wanted = new Set(records.filter((record) => !isWhole(folder, record)).flatMap(blobsOf))
  for (const blob of wanted)
    if (!present.has(blob)) damage.push({ what: "missing", path: blobPath(folder, blob), spoils: spoils(blob) })
  return damage
}
