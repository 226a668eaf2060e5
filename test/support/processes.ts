import type { ChildProcess } from "node:child_process"
import { spawn } from "node:child_process"
import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { setTimeout as sleep } from "node:timers/promises"
import type { Place } from "./hone.ts"

const launcher = fileURLToPath(new URL("../../hone", import.meta.url))

export interface Started {
  readonly child: ChildProcess
  readonly pid: number
  /** All that it has printed on standard output. */
  readonly text: () => string
  readonly exit: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

/** Starts a command in a place, and leaves it running. */
export const start = (place: Place, args: ReadonlyArray<string>, env: Record<string, string> = {}): Started => {
  const child = spawn(launcher, args, {
    cwd: place.folder,
    env: { ...process.env, NO_COLOR: "1", ...place.env, ...env },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let text = ""
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk))
  child.stderr.resume()
  const exit = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.on("close", (code, signal) => resolve({ code, signal }))
  )
  return { child, pid: child.pid!, text: () => text, exit }
}

/** Processes that stand in a place: a runner and its workers. */
export const pidsIn = (place: Place): ReadonlyArray<number> =>
  readdirSync("/proc").flatMap((name) => {
    try {
      return /^\d+$/u.test(name) && readlinkSync(`/proc/${name}/cwd`) === place.folder && stateOf(Number(name)) !== "Z"
        ? [Number(name)]
        : []
    } catch {
      return [] // it ended meanwhile, or belongs to somebody else
    }
  })

/** The state of a process as Linux has it: `T` is stopped, `Z` ended and not waited for; undefined where it is gone. */
export const stateOf = (pid: number): string | undefined => {
  try {
    return /\) (\w)/u.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1]
  } catch {
    return undefined
  }
}

/** Waits until something is so, looking every few milliseconds. Throws after some seconds. */
export const until = async (what: string, isSo: () => boolean, seconds = 20): Promise<void> => {
  for (const end = performance.now() + seconds * 1000; !isSo();) {
    if (performance.now() > end) throw new Error(`waited ${seconds} s for: ${what}`)
    await sleep(5)
  }
}

/** The processes of a place that are stopped. */
export const stoppedIn = (place: Place): ReadonlyArray<number> => pidsIn(place).filter((pid) => stateOf(pid) === "T")

export const signal = (pids: ReadonlyArray<number>, name: NodeJS.Signals): void => {
  for (const pid of pids) {
    try {
      process.kill(pid, name)
    } catch {
      // It ended meanwhile.
    }
  }
}
