import { existsSync, mkdtempSync, rmSync, statSync, utimesSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, expect, it, vi } from "vitest"
import { ownerTag } from "./Alive.ts"
import { storeFolder } from "./Folder.ts"
import { enter, leave, noteInUse } from "./Live.ts"

const home = mkdtempSync(join(tmpdir(), "hone-live-"))
afterEach(() => {
  vi.useRealTimers()
  rmSync(home, { recursive: true })
})

it("a run's notes stay young for as long as it lasts, whatever it notes, and go with the last run of the process", () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] })
  const folder = storeFolder(home)
  const notes = join(folder.live, ownerTag)
  enter(folder)
  enter(folder)
  noteInUse(folder, ["key"])
  leave(folder)
  utimesSync(notes, 1, 1)
  vi.advanceTimersByTime(60_000)
  expect(Date.now() - statSync(notes).mtimeMs).toBeLessThan(10_000)
  leave(folder)
  expect(existsSync(notes)).toBe(false)
  expect(vi.getTimerCount()).toBe(0)
})
