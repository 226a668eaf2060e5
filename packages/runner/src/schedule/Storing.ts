import { systemHint } from "@hone/core/SystemHint"
import { Effect } from "effect"
import { setAside } from "../store/Commit.ts"
import type { StoreFolder } from "../store/Folder.ts"
import { StageFailed } from "../worker/Workers.ts"
import type { RunListener } from "./Events.ts"

/** Work of the store, where the system may say no. Nothing half-done counts: the record is written last. */
export const storing = <A>(work: () => A): Effect.Effect<A, StageFailed> =>
  Effect.try({
    try: work,
    catch: (error) => {
      const { code = "EIO", message } = error as NodeJS.ErrnoException
      return new StageFailed({
        code: "store",
        message: `the store cannot be written: ${message}`,
        hint: systemHint(code),
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
