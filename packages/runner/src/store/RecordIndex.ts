import { shelfOf } from "@hone/core/plan/Key"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import { ActionRecords } from "@hone/core/Services"
import { Effect, Layer, Option } from "effect"
import type { StoreFolder } from "./Folder.ts"
import { isWhole, readRecord } from "./Records.ts"
import { openShelves } from "./Shelf.ts"

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
