import { Effect } from "effect"
import { setAside } from "../store/Commit.ts"
import type { StoreFolder } from "../store/Folder.ts"
import { StageFailed } from "../worker/Workers.ts"
import type { RunListener } from "./Events.ts"

const storeHints: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full: free some space (`hone gc` says what can go) and run again",
  EDQUOT: "the quota is used up: free some space (`hone gc` says what can go) and run again",
  EROFS: "the file system is read-only: make it writable, or move the pipeline where it is",
  EACCES: "this user may not write there: mend the permissions of .hone",
  EMFILE: "too many files are open: raise the limit (ulimit -n) and run again",
  EXDEV: ".hone spans several file systems: keep it on one"
}

/** Work of the store, where the system may say no. Nothing half-done counts: the record is written last. */
export const storing = <A>(work: () => A): Effect.Effect<A, StageFailed> =>
  Effect.try({
    try: work,
    catch: (error) => {
      const { code = "EIO", message } = error as NodeJS.ErrnoException
      const hint = storeHints[code] ?? "mend what the message names and run again: finished steps are kept"
      return new StageFailed({
        code: "store",
        message: `the store cannot be written: ${message}`,
        hint,
        row_ids: [],
        blob: null,
        stack: null,
        peak_rss_bytes: null
      })
    }
  })

/** Sets damaged files aside, and tells the user of each once, over all passes of a run. */
export const discard = (
  schedule: { readonly folder: StoreFolder; readonly listener: RunListener; readonly told: Set<string> },
  step: string,
  paths: ReadonlyArray<string>
): Effect.Effect<void, StageFailed> =>
  storing(() => {
    for (const path of paths) {
      setAside(schedule.folder, path)
      if (schedule.told.has(path)) continue
      schedule.told.add(path)
      const message = `a stored result was damaged or gone, and is made again: ${path}`
      schedule.listener.emit({ event: "warning", step, message })
    }
  })
