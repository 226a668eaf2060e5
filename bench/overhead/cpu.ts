import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { root } from "../machine.ts"

/** Seconds of one command, children included. */
export interface Usage {
  readonly wall: number
  /** User and system time together. */
  readonly cpu: number
}

const timing = 'exec 3>&1; TIMEFORMAT="%R %U %S"; { time "$@" >/dev/null 2>&3; } 2>&1'

/** Runs `hone` quietly and takes the time of it and all its children, to the millisecond, by bash's `time`. Throws where it fails. */
export const usageOf = (args: ReadonlyArray<string>): Usage => {
  const { error, status, stdout } = spawnSync("bash", ["-c", timing, "bash", join(root, "hone"), ...args], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 << 20
  })
  if (error !== undefined) throw new Error(`bash is needed to take the time of a command: ${error.message}`)
  if (status !== 0) throw new Error(`hone ${args.join(" ")} ended with code ${status}\n${stdout.slice(-2000)}`)
  const [wall = 0, user = 0, system = 0] = stdout.trim().split("\n").at(-1)!.split(" ").map(Number)
  return { wall, cpu: user + system }
}
