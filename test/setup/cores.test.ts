import { availableParallelism } from "node:os"
import { assert, it } from "vitest"
import { usableCores } from "../../scripts/setup/cores.mjs"
import { temporaryFolder, writeFiles } from "./temporary.ts"

/** A root with these files below it, as /proc and /sys would have them. */
const coresIn = (files: Readonly<Record<string, string>>): number => {
  const root = temporaryFolder()
  writeFiles(root, files)
  return usableCores(root)
}

const host = availableParallelism()

it("is the cgroup's quota rounded down, and at least one core", () => {
  const max = (text: string) => ({ "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": text })
  assert.strictEqual(coresIn(max("150000 100000\n")), 1)
  assert.strictEqual(coresIn(max("50000 100000\n")), 1)
  assert.strictEqual(coresIn(max(`${100_000 * (host + 5)} 100000\n`)), host, "never more than there are")
  assert.strictEqual(coresIn(max("max 100000\n")), host)
  assert.strictEqual(coresIn({}), host)
})

it("is the tightest quota of the groups that the process lies in", () => {
  const files = {
    "proc/self/cgroup": "0::/user.slice/job.scope\n",
    "sys/fs/cgroup/user.slice/cpu.max": "100000 100000\n",
    "sys/fs/cgroup/user.slice/job.scope/cpu.max": "max 100000\n"
  }
  assert.strictEqual(coresIn(files), 1)
  assert.strictEqual(coresIn({ ...files, "sys/fs/cgroup/user.slice/cpu.max": "max 100000\n" }), host)
})

it("is read from cgroups of version 1, too, where the path may be the host's", () => {
  const quota = (group: string, us: string) => ({
    [`sys/fs/cgroup/cpu${group}/cpu.cfs_quota_us`]: us,
    [`sys/fs/cgroup/cpu${group}/cpu.cfs_period_us`]: "100000\n"
  })
  const where = { "proc/self/cgroup": "5:cpuset:/x\n4:cpu,cpuacct:/docker/abc\n" }
  assert.strictEqual(coresIn({ ...where, ...quota("/docker/abc", "100000\n") }), 1)
  assert.strictEqual(coresIn({ ...where, ...quota("", "100000\n") }), 1)
  assert.strictEqual(coresIn({ ...where, ...quota("", "-1\n") }), host)
})
