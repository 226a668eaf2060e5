import { hostname } from "node:os"

/** Whether a process of this machine still runs. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

const host = hostname().replace(/\W/gu, "_")

/** Stands in the names of what a process is still writing: `1234@host`. Machines that share a store have the same process numbers. */
export const ownerTag = `${process.pid}@${host}`

/**
 * Of another machine nobody knows what lives there (a container's name never comes again), and a process number here may be another's by
 * now. A day, so that what was stopped over a night still counts, or whose machine slept or has another clock.
 */
export const silentMillis = 24 * 3600 * 1000

/** Whether a name holds the tag of a process of this machine that has ended. What other machines write is theirs to remove. */
export const isOfDead = (name: string): boolean => {
  const [, pid, where] = /(?<!\d)(\d+)@(\w+)/u.exec(name) ?? []
  return pid !== undefined && where === host && Number(pid) !== process.pid && !isAlive(Number(pid))
}
