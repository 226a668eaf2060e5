import { rmSync } from "node:fs"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import type { StoreFolder } from "./Folder.ts"
import { recordPath } from "./Folder.ts"
import { heldLeases } from "./Lease.ts"
import { inUseNow } from "./Live.ts"
import type { Pin } from "./Pins.ts"
import { readPins } from "./Pins.ts"
import type { StoredBlob } from "./Scan.ts"
import { allBlobs, allRecords, blobsOf, keysInUse, trajectories } from "./Scan.ts"
import { takeFromShelf } from "./Shelf.ts"
import { readSweepUse } from "./SweepUse.ts"

/** A result that no pipeline file used when it last ran, with what it takes and what it would cost to have it again. */
export interface Garbage {
  readonly record: ActionRecord
  /** Bytes that going without it frees: blobs that nothing else names. */
  readonly bytes: number
  readonly seconds: number
}

export interface GcPlan {
  readonly results: ReadonlyArray<Garbage>
  /** Blobs that no record names: of attempts that were never recorded. */
  readonly orphans: ReadonlyArray<StoredBlob>
  /** Checkpoints of trainings that are finished, or whose pipeline has moved on. */
  readonly checkpoints: ReadonlyArray<{ readonly path: string; readonly bytes: number }>
  readonly kept: { readonly results: number; readonly bytes: number }
  readonly pins: ReadonlyArray<Pin>
  /** How many results stay because a trial of a sweep made them, or found them made. */
  readonly sweeps: ReadonlyArray<{ readonly file: string; readonly results: number }>
  /** Files that say what is in use, and are damaged: as long as there are any, nobody knows what may go. */
  readonly unknown: ReadonlyArray<string>
}

const settledMillis = 10 * 60 * 1000
// An interrupted training that nobody went on with for so long is taken for given up.
const abandonedMillis = 7 * 24 * 3600 * 1000

const sum = (items: ReadonlyArray<{ readonly bytes: number }>) => items.reduce((total, { bytes }) => total + bytes, 0)

/**
 * What can go: results that no file used in its last run, no sweep holds and nobody pinned, oldest and cheapest first. What runs that are
 * under way use, hold a lease for or have just made stays, with all files that no record names yet; should a run still reach for
 * something that went, it makes it again.
 */
export const planGc = (folder: StoreFolder, now: number): GcPlan => {
  const last = keysInUse(folder)
  const live = inUseNow(folder, now)
  const pins = readPins(folder)
  const pinned = new Set(pins.flatMap(({ pin }) => pin?.keys ?? []))
  const { damaged, sweeps } = readSweepUse(folder)
  const searched = new Set(sweeps.flatMap(({ keys }) => [...keys]))
  const leased = heldLeases(folder, now)
  const isYoung = (record: ActionRecord) => now - Date.parse(record.finished_at) < settledMillis
  const isUsed = (record: ActionRecord) =>
    last.keys.has(record.key) ||
    searched.has(record.key) ||
    pinned.has(record.key) ||
    live.names.has(record.key) ||
    leased.has(record.key)
  const records = allRecords(folder)
  const kept = records.filter((record) => isUsed(record) || isYoung(record))
  const staying = new Set(kept)
  const going = records.filter((record) => !staying.has(record))
  const needed = new Set(kept.flatMap(blobsOf))
  const sizes = new Map(allBlobs(folder).map((blob) => [blob.blob, blob]))
  const counted = new Set<string>()
  const results = [...going]
    .sort((a, b) =>
      a.finished_at.slice(0, 10) === b.finished_at.slice(0, 10)
        ? a.seconds - b.seconds
        : a.finished_at < b.finished_at
          ? -1
          : 1
    )
    .map((record): Garbage => {
      const own = blobsOf(record).filter((blob) => !needed.has(blob) && !counted.has(blob))
      for (const blob of own) counted.add(blob)
      return {
        record,
        bytes: own.reduce((total, blob) => total + (sizes.get(blob)?.bytes ?? 0), 0),
        seconds: record.seconds
      }
    })
  const named = new Set(records.flatMap(blobsOf))
  const orphans = [...sizes.values()].filter(
    // A run that is under way has files whose record is still to come, or never comes.
    ({ blob, written_at }) => !live.isAny && !named.has(blob) && now - written_at > settledMillis
  )
  const keptTrajectories = new Set(kept.flatMap((record) => record.trajectory ?? []))
  const checkpoints = trajectories(folder).filter(
    ({ name, written_at }) =>
      !live.isAny &&
      !keptTrajectories.has(name) &&
      (records.some((record) => record.trajectory === name) || now - written_at > abandonedMillis)
  )
  return {
    results,
    orphans,
    checkpoints,
    kept: { results: kept.length, bytes: sum([...sizes.values()]) - sum(results) - sum(orphans) },
    pins: pins.flatMap(({ pin }) => pin ?? []),
    sweeps: sweeps.map(({ file, keys }) => ({ file, results: records.filter(({ key }) => keys.has(key)).length })),
    unknown: [...last.damaged, ...damaged, ...pins.flatMap(({ path, pin }) => (pin === undefined ? [path] : []))]
  }
}

/** What of a plan can still go: a run may have begun since it was made. */
const stillTrue = (before: GcPlan, now: GcPlan): GcPlan => {
  const keys = new Set(now.results.map(({ record }) => record.key))
  const paths = new Set([...now.orphans, ...now.checkpoints].map(({ path }) => path))
  return {
    ...now,
    results: before.results.filter(({ record }) => keys.has(record.key)),
    orphans: before.orphans.filter(({ path }) => paths.has(path)),
    checkpoints: before.checkpoints.filter(({ path }) => paths.has(path))
  }
}

/**
 * Carries a plan out, or what is left of it: records first, so that nothing new comes to hang on what goes; then the blobs that no record
 * names. Gives the bytes freed.
 */
export const collect = (folder: StoreFolder, plan: GcPlan, now: number): number => {
  const gc = stillTrue(plan, planGc(folder, now))
  for (const { record } of gc.results) {
    // In this order: what is on a shelf and has no record was lost.
    takeFromShelf(folder, record)
    rmSync(recordPath(folder, record.key), { force: true })
  }
  const named = new Set(allRecords(folder).flatMap(blobsOf))
  const going = new Set([...gc.results.flatMap(({ record }) => blobsOf(record)), ...gc.orphans.map(({ blob }) => blob)])
  let freed = 0
  for (const { blob, bytes, path } of allBlobs(folder)) {
    if (named.has(blob) || !going.has(blob)) continue
    rmSync(path, { force: true })
    freed += bytes
  }
  for (const { bytes, path } of gc.checkpoints) {
    rmSync(path, { recursive: true, force: true })
    freed += bytes
  }
  return freed
}
