import { existsSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import type { StoreFolder } from "./Folder.ts"
import { recordPath } from "./Folder.ts"
import { takeFromShelf } from "./Shelf.ts"
import { allBlobs, allRecords, blobsOf, keysInUse, trajectories } from "./Scan.ts"

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
  readonly orphans: ReadonlyArray<{ readonly path: string; readonly bytes: number }>
  /** Checkpoints of trainings that are finished, or whose pipeline has moved on. */
  readonly checkpoints: ReadonlyArray<{ readonly path: string; readonly bytes: number }>
  readonly kept: { readonly results: number; readonly bytes: number }
}

const settledMillis = 10 * 60 * 1000
// An interrupted training that nobody went on with for so long is taken for given up.
const abandonedMillis = 7 * 24 * 3600 * 1000

const sum = (items: ReadonlyArray<{ readonly bytes: number }>) => items.reduce((total, { bytes }) => total + bytes, 0)

/**
 * What can go: results that no file used in its last run, oldest and cheapest first. What a running process is making or has just made is
 * younger than ten minutes, or leased, and stays; should it still reach for something that went, it makes it again.
 */
export const planGc = (folder: StoreFolder, now: number): GcPlan => {
  const inUse = keysInUse(folder)
  const isLeased = (key: string) => existsSync(join(folder.root, "leases", key))
  const isYoung = (record: ActionRecord) => now - Date.parse(record.finished_at) < settledMillis
  const records = allRecords(folder)
  const kept = records.filter((record) => inUse.has(record.key) || isLeased(record.key) || isYoung(record))
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
    ({ blob, written_at }) => !named.has(blob) && now - written_at > settledMillis
  )
  const live = new Set(kept.flatMap((record) => record.trajectory ?? []))
  const checkpoints = trajectories(folder).filter(({ name, written_at }) =>
    live.has(name) ? false : records.some((record) => record.trajectory === name) || now - written_at > abandonedMillis
  )
  return {
    results,
    orphans,
    checkpoints,
    kept: { results: kept.length, bytes: sum([...sizes.values()]) - sum(results) - sum(orphans) }
  }
}

/** Carries a plan out: records first, so that nothing new comes to hang on what goes; then the blobs that no record names. */
export const collect = (folder: StoreFolder, gc: GcPlan): number => {
  let freed = 0
  for (const { record } of gc.results) {
    rmSync(recordPath(folder, record.key), { force: true })
    takeFromShelf(folder, record)
  }
  const named = new Set(allRecords(folder).flatMap(blobsOf))
  for (const { blob, bytes, path } of allBlobs(folder)) {
    if (
      named.has(blob) ||
      !(
        gc.orphans.some((orphan) => orphan.path === path) ||
        gc.results.some(({ record }) => blobsOf(record).includes(blob))
      )
    )
      continue
    rmSync(path, { force: true })
    freed += bytes
  }
  for (const { bytes, path } of gc.checkpoints) {
    rmSync(path, { recursive: true, force: true })
    freed += bytes
  }
  return freed
}
