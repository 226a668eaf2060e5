import { readFileSync } from "node:fs"
import { availableParallelism, cpus, loadavg } from "node:os"
import { fileURLToPath } from "node:url"
import type { EngineChoice } from "@hone/core/Stage"
import { EngineMissing, readEngine } from "@hone/runner/engine/EngineFile"
import { rounded } from "./statistics.ts"

/** The clone. */
export const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "")

/** What set-up chose, as HONE_ENGINE bends it. Throws where that cannot be had. */
export const engineChoice = (): EngineChoice => {
  const engine = readEngine(root, process.env)
  if (engine instanceof EngineMissing) throw engine
  return engine
}

export const load = (): number => loadavg()[0]!

/** One line that says where and when numbers were taken. */
export const heading = (): string => {
  const when = `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`
  return `${when}, ${availableParallelism()} of ${cpus().length} cores of ${cpus()[0]?.model ?? "an unknown processor"}, load ${load().toFixed(2)}, Node ${process.version}`
}

/** How quiet it was in a window, in per cent of the time of the processors that this process may run on. */
export interface Quiet {
  /** Taken by the host for other guests. */
  readonly steal_percent: number
  /** Used by processes that are not ours. */
  readonly others_percent: number
}

/** Numbers of the processors that this process may run on, which `taskset` narrows: "0-1,4" is 0, 1 and 4. */
const ownProcessors = (): ReadonlyArray<number> => {
  const list = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync("/proc/self/status", "utf8"))![1]!
  return list.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number) as [number, number?]
    return Array.from({ length: last! - first + 1 }, (_, at) => first + at)
  })
}

const sum = (values: ReadonlyArray<number>): number => values.reduce((total, value) => total + value, 0)

/** Jiffies since boot of those processors: user, nice, system, idle, iowait, irq, softirq, steal. */
const processorTime = (processors: ReadonlyArray<number>) => {
  const lines = readFileSync("/proc/stat", "utf8").split("\n")
  const rows = processors.map((number) =>
    lines
      .find((line) => line.startsWith(`cpu${number} `))!
      .split(" ")
      .map(Number)
  )
  const [user, nice, system, idle, iowait, irq, softirq, steal] = Array.from({ length: 8 }, (_, at) =>
    sum(rows.map((row) => row[at + 1] ?? 0))
  ) as [number, number, number, number, number, number, number, number]
  const busy = user + nice + system + irq + softirq
  return { all: busy + idle + iowait + steal, busy, steal }
}

/** Numbers of /proc/PID/stat after the name, which may hold spaces and stands in parentheses. */
const fieldsOf = (path: string): ReadonlyArray<number> => {
  const text = readFileSync(path, "utf8")
  return text
    .slice(text.lastIndexOf(")") + 1)
    .trim()
    .split(/\s+/)
    .map(Number)
}

/** Jiffies of processes and of their children that have ended: fields 14 to 17 of /proc/PID/stat. */
const ownTime = (pids: ReadonlyArray<number | "self">): number =>
  sum(pids.flatMap((pid) => fieldsOf(`/proc/${pid}/stat`).slice(11, 15)))

// USER_HZ, which is 100 on every Linux of this kind of machine.
const JIFFIES_PER_SECOND = 100

/** Processor seconds of this process and of children that have ended, with theirs. */
export const ownSeconds = (): number => ownTime(["self"]) / JIFFIES_PER_SECOND

/** Watches a window until it is asked. @param pids long-lived children, beside this process and those that end meanwhile */
export const watchQuiet = (pids: ReadonlyArray<number> = []): (() => Quiet) => {
  const mine = ["self", ...pids] as const
  const processors = ownProcessors()
  const measured = () => ({ ...processorTime(processors), own: ownTime(mine) })
  const before = measured()
  return () => {
    const now = measured()
    const all = Math.max(1, now.all - before.all)
    const others = now.busy - before.busy - (now.own - before.own)
    const percent = (jiffies: number) => rounded((100 * Math.max(0, jiffies)) / all, 1)
    return { steal_percent: percent(now.steal - before.steal), others_percent: percent(others) }
  }
}

/** Per cent. */
const NOISY = 5

/** Whether others took so much of a window that its figures are not to be quoted. */
export const isNoisy = ({ others_percent, steal_percent }: Quiet): boolean => others_percent + steal_percent > NOISY
