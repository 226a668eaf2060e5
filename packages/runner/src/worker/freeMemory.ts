import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"

/** Memory that may still be taken before the system ends a process to get some back. */
export interface FreeMemory {
  readonly bytes: number
  /** All that there is. */
  readonly of: number
  /** Whose it is: a container's share may be less than the machine's. */
  readonly owner: "machine" | "control group"
}

/**
 * The least of what the machine has available and of what the process's control group and each above it leave (version 2, else 1), where
 * file contents that can be read again count as free. Undefined where the system tells nothing.
 *
 * @param root where /proc and /sys lie: tests have their own
 */
export const freeMemory = (root = "/"): FreeMemory | undefined => {
  const all = [machine(root), ...groupsV2(root), ...groupsV1(root)].filter((free) => free !== undefined)
  return all.length === 0 ? undefined : all.reduce((least, free) => (free.bytes < least.bytes ? free : least))
}

/** What a process has resident, in bytes; 0 for one that is gone. */
export const residentBytes = (pid: number, root = "/"): number =>
  1024 * (numberIn(join(root, `proc/${pid}/status`), /^VmRSS:\s+(\d+) kB$/mu) ?? 0)

const machine = (root: string): FreeMemory | undefined => {
  const path = join(root, "proc/meminfo")
  const [available, total] = ["MemAvailable", "MemTotal"].map((name) =>
    numberIn(path, new RegExp(`^${name}:\\s+(\\d+) kB$`, "mu"))
  )
  if (available === undefined || total === undefined) return undefined
  return { bytes: 1024 * available, of: 1024 * total, owner: "machine" }
}

const groupsV2 = (root: string) =>
  upwards(groupOf(root, (controllers) => controllers === "")).map((group) =>
    groupMemory(join(root, "sys/fs/cgroup", group), "memory.max", "memory.current", "")
  )

const groupsV1 = (root: string) =>
  upwards(groupOf(root, (controllers) => controllers.split(",").includes("memory"))).map((group) =>
    groupMemory(join(root, "sys/fs/cgroup/memory", group), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
  )

/**
 * Undefined for a group that does not exist or has no limit: version 2 says "max", and version 1 a number beyond any machine.
 *
 * @param prefix of the names in memory.stat that count the groups below, too
 */
const groupMemory = (folder: string, limit: string, usage: string, prefix: string): FreeMemory | undefined => {
  const [of, used] = [limit, usage].map((name) => numberIn(join(folder, name), /^(\d+)$/mu))
  if (of === undefined || used === undefined || of >= 2 ** 62) return undefined
  const stat = join(folder, "memory.stat")
  const files = ["inactive_file", "active_file"].map(
    (name) => numberIn(stat, new RegExp(`^${prefix}${name} (\\d+)$`, "mu")) ?? 0
  )
  return { bytes: of - used + files[0]! + files[1]!, of, owner: "control group" }
}

/** The path of this process's control group: lines of /proc/self/cgroup are `number:controllers:path`. */
const groupOf = (root: string, isWanted: (controllers: string) => boolean): string => {
  const lines = (read(join(root, "proc/self/cgroup")) ?? "").split("\n").map((line) => line.split(":"))
  return lines.find(([, controllers]) => controllers !== undefined && isWanted(controllers))?.[2] ?? "/"
}

/** A path and every folder above it. Inside a container the path may be the host's: then only "/" is there. */
const upwards = (path: string): ReadonlyArray<string> =>
  path === "/" || path === "." ? ["/"] : [path, ...upwards(dirname(path))]

const numberIn = (path: string, pattern: RegExp): number | undefined => {
  const found = pattern.exec(read(path) ?? "")?.[1]
  return found === undefined ? undefined : Number(found)
}

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8").trim()
  } catch {
    return undefined
  }
}
