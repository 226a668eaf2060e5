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
export const peakSince = (forgot: boolean): number | null => (forgot ? peakOf("self") : null)

/** The most memory that a process had resident since it last forgot: bytes; null where the system does not tell, or it is gone. */
export const peakOf = (pid: number | "self"): number | null => {
  try {
    const found = /^VmHWM:\s+(\d+) kB$/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8"))
    return found === null ? null : 1024 * Number(found[1])
  } catch {
    return null
  }
}
