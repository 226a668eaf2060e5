import { watch } from "node:fs"
import { basename, dirname, resolve } from "node:path"
import { Effect } from "effect"

const settleMillis = 60

/**
 * Waits until one of the files is saved. Folders are watched, not files: editors save by writing beside and renaming, and a watch on
 * the file would stay with the old one.
 */
export const changeOf = (files: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const names = new Set(files.map((file) => resolve(file)))
    const folders = new Set([...names].map((file) => dirname(file)))
    let timer: NodeJS.Timeout | undefined
    const watchers = [...folders].map((folder) =>
      watch(folder, (_, name) => {
        if (name === null || ![...names].some((file) => dirname(file) === folder && basename(file) === name)) return
        clearTimeout(timer)
        timer = setTimeout(() => {
          close()
          resume(Effect.void)
        }, settleMillis)
      })
    )
    const close = () => {
      clearTimeout(timer)
      for (const watcher of watchers) watcher.close()
    }
    return Effect.sync(close)
  })
