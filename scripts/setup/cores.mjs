// How many cores this process may keep busy: a container's quota counts, the host's cores do not.
import { readFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { dirname, join } from "node:path"

/**
 * CPU affinity, bounded by the quota of the process's cgroup and of each one above it (version 2, else 1), rounded down, at least 1.
 *
 * @param root where /proc and /sys lie: tests have their own
 */
export function usableCores(root = "/") {
  const quota = quotaV2(root) ?? quotaV1(root) ?? Infinity
  return Math.max(1, Math.min(availableParallelism(), Math.floor(quota)))
}

function quotaV2(root) {
  const own = groupOf(root, (controllers) => controllers === "")
  const mounted = join(root, "sys/fs/cgroup")
  return least(upwards(own).map((group) => ratio(...(read(join(mounted, group, "cpu.max"))?.split(" ") ?? []))))
}

function quotaV1(root) {
  const own = groupOf(root, (controllers) => controllers.split(",").includes("cpu"))
  const mounted = join(root, "sys/fs/cgroup/cpu")
  return least(
    upwards(own).map((group) => {
      const [quota, period] = ["cpu.cfs_quota_us", "cpu.cfs_period_us"].map((name) => read(join(mounted, group, name)))
      return ratio(quota, period)
    })
  )
}

/** The path of this process's cgroup: lines of /proc/self/cgroup are `number:controllers:path`. */
function groupOf(root, isWanted) {
  const lines = (read(join(root, "proc/self/cgroup")) ?? "").split("\n").map((line) => line.split(":"))
  return lines.find(([, controllers]) => controllers !== undefined && isWanted(controllers))?.[2] ?? "/"
}

/** A path and every folder above it. Inside a container the path may be the host's: then only "/" is there. */
function upwards(path) {
  return path === "/" || path === "." ? ["/"] : [path, ...upwards(dirname(path))]
}

/** "max" and -1 say that there is no quota. */
function ratio(quota, period) {
  const cores = Number(quota) / Number(period)
  return cores > 0 ? cores : undefined
}

function least(quotas) {
  const known = quotas.filter((quota) => quota !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

function read(file) {
  try {
    return readFileSync(file, "utf8").trim()
  } catch {
    return undefined
  }
}
