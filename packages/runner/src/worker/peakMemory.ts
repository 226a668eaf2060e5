import { readFileSync, writeFileSync } from "node:fs"

/** Forgets the peak so far, so that a worker's second stage is not charged with its first. Where the system cannot, nothing is measured. */
export const forgetPeak = (): boolean => {
  try {
    writeFileSync("/proc/self/clear_refs", "5")
    return true
  } catch {
    return false
  }
}

/** The most memory that this process had resident since it last forgot: bytes; null where the system does not tell. */
export const peakSince = (forgot: boolean): number | null => {
  if (!forgot) return null
  try {
    const found = /^VmHWM:\s+(\d+) kB$/mu.exec(readFileSync("/proc/self/status", "utf8"))
    return found === null ? null : 1024 * Number(found[1])
  } catch {
    return null
  }
}
