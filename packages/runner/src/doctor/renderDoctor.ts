import { duration } from "../cli/Output.ts"
import type { DoctorReport, Rate } from "./DoctorReport.ts"

/** The report as text for a terminal: facts, then each attempt, then what to mend. */
export function renderDoctor(report: DoctorReport): string {
  const sections = [facts(report), speed(report), attempts(report), notes(report), findings(report)]
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n")}\n`
}

function facts({ caches, engine, machine, probe, runtime }: DoctorReport): Array<string> {
  return [
    row("runtime", `Node ${runtime.version}${runtime.pinned ? ", pinned" : ""} (${runtime.path})`),
    row("machine", `${machine.platform}, ${machine.cpu}, ${machine.cores} cores, ${size(machine.memory)} of memory`),
    ...engineRows(engine),
    ...(probe ? [row("check", `${probe.ok ? "ok" : "failed"}: ${probe.reason} (${probe.seconds.toFixed(1)} s)`)] : []),
    ...caches.map(({ bytes, folder, what }) => row("cache", `${what}: ${size(bytes)} in ${folder}`))
  ]
}

function engineRows(engine: DoctorReport["engine"]): Array<string> {
  if (engine === null) return [row("engine", "none chosen yet")]
  const { numerics } = engine
  const tf32 = numerics.tf32 === undefined ? "" : `, TF32 ${numerics.tf32 ? "on" : "off"}`
  return [
    row("engine", `${engine.engine}, ${engine.library === null ? "tfjs" : "TensorFlow"} ${engine.version}`),
    row("numerics", `${numerics.class} ${numerics.version}, ${numerics.dtype}${tf32}`),
    row("device", engine.device),
    row("threads", String(engine.threads)),
    ...(engine.library === null ? [] : [row("library", engine.library)]),
    ...(engine.addon === null ? [] : [row("addon", engine.addon)])
  ]
}

function speed({ machine: { cores }, speed: measured }: DoctorReport): Array<string> {
  if (measured === undefined || measured === null) return []
  const { batch, infer, load, quick_start_seconds, threads, train } = measured
  return [
    `what this machine does in a second (MiniLM's shape, ${batch}, ${threads} ${threads === 1 ? "thread" : "threads"}, load ${load.toFixed(1)})`,
    `  ${rate("training", train)}`,
    `  ${rate("inference", infer)}`,
    `  npm start would take about ${duration(quick_start_seconds)}`,
    ...(load > 1.5 * cores ? ["  others are at work here: on a quiet machine all of this is better"] : [])
  ]
}

const rate = (what: string, { calls, fastest_ms, flops_per_second, median_ms, tokens_per_second }: Rate): string =>
  `${what.padEnd(9)} ${tokens_per_second.toFixed(0).padStart(6)} tokens, ${(flops_per_second / 1e9).toPrecision(3)} GFLOP ` +
  `(${fastest_ms.toFixed(0)} ms a batch at best, ${median_ms.toFixed(0)} ms by the median of ${calls})`

function attempts({ engine }: DoctorReport): Array<string> {
  if (engine === null || engine.attempts.length === 0) return []
  const lines = engine.attempts.map(
    ({ mend, ok, reason, route }) => `  ${ok ? "+" : "-"} ${route}: ${reason}${mend ? ` (${mend})` : ""}`
  )
  return ["how the engine was found", ...lines]
}

function notes({ notes: lines }: DoctorReport): Array<string> {
  return lines.map((line) => `note: ${line}`)
}

function findings({ findings: found }: DoctorReport): Array<string> {
  if (found.length === 0) return ["Nothing is missing."]
  return ["to mend", ...found.map(({ mend, what }) => `  ${what}${mend ? `\n    ${mend}` : ""}`)]
}

function row(name: string, value: string): string {
  return `${name.padEnd(9)} ${value}`
}

function size(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`
  return bytes >= 1e6 ? `${Math.round(bytes / 1e6)} MB` : `${Math.round(bytes / 1e3)} kB`
}
