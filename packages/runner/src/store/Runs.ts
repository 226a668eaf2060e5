import { readdirSync } from "node:fs"
import { join, relative, resolve } from "node:path"
import { fingerprint } from "@hone/core/Canonical"
import type { RunRecord } from "@hone/core/record/RunRecord"
import type { LastKeys } from "@hone/core/Services"
import { readSealed, replaceFile } from "./Files.ts"
import { seal } from "@hone/core/Sealed"
import type { StoreFolder } from "./Folder.ts"
import { makeFolder } from "./Folder.ts"

export const fileInHome = (folder: StoreFolder, file: string): string => relative(folder.home, resolve(file))

const lastPath = (folder: StoreFolder, file: string) =>
  join(folder.last, `${fingerprint("hone-last/1", fileInHome(folder, file)).slice(0, 24)}.json`)

/** The keys of the last run of this file, by step and stage; empty before the first. */
export const readLastKeys = (folder: StoreFolder, file: string): LastKeys =>
  readSealed<LastKeys>("last", lastPath(folder, file)) ?? {}

export const writeRun = (folder: StoreFolder, run: RunRecord): void => {
  makeFolder(folder.runs)
  replaceFile(join(folder.runs, `${run.id}.json`), seal("run", run))
}

/** Remembers the keys of this run; stages that did not come to a key keep the ones they had. */
export const writeLastKeys = (folder: StoreFolder, file: string, keys: LastKeys): void => {
  const before = readLastKeys(folder, file)
  const merged = { ...before }
  for (const [step, stages] of Object.entries(keys)) merged[step] = { ...before[step], ...stages }
  if (JSON.stringify(merged) === JSON.stringify(before)) return
  makeFolder(folder.last)
  replaceFile(lastPath(folder, file), seal("last", merged))
}

/** All runs, newest first. */
export const readRuns = (folder: StoreFolder): ReadonlyArray<RunRecord> => {
  let names: ReadonlyArray<string>
  try {
    names = readdirSync(folder.runs)
  } catch {
    return []
  }
  const runs = names.flatMap((name) => readSealed<RunRecord>("run", join(folder.runs, name)) ?? [])
  return runs.sort((a, b) => (a.started_at < b.started_at ? 1 : -1))
}
