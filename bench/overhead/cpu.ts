import { spawnSync } from "node:child_process"

/** Seconds of one command, children included. */
export interface Usage {
  readonly wall: number
  /** User and system time together. */
  readonly cpu: number
}

export interface Timed {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** Seconds after which it is ended. */
  readonly limit: number
}

const timing =
  'exec 3>&1; TIMEFORMAT="%R %U %S"; { time timeout --kill-after=5 "$LIMIT" "$@" >/dev/null 2>&3; } 2>&1; exit'

/**
 * Runs a command quietly and takes the time of it and all its children, to the millisecond, by bash's `time`. Undefined where it did not
 * end within its limit; throws where it failed.
 */
export const usageOf = ({ args, command, cwd, env, limit }: Timed): Usage | undefined => {
  const { error, status, stdout } = spawnSync("bash", ["-c", timing, "bash", command, ...args], {
    cwd,
    encoding: "utf8",
    env: { ...process.env, ...env, LIMIT: String(limit) },
    maxBuffer: 64 << 20
  })
  if (error !== undefined) throw new Error(`bash is needed to take the time of a command: ${error.message}`)
  if (status === 124 || status === 137) return undefined
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with code ${status}\n${stdout.slice(-2000)}`)
  const [wall = 0, user = 0, system = 0] = stdout.trim().split("\n").at(-1)!.split(" ").map(Number)
  return { wall, cpu: user + system }
}
