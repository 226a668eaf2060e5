import { duration, paint, table } from "../Output.ts"
import type { LiveState, StepView } from "./State.ts"
import { pace } from "./State.ts"

const marks: Record<StepView["state"], string> = {
  waiting: "·",
  running: "▸",
  hit: "=",
  ran: "✓",
  cut_off: "=",
  failed: "✗",
  skipped: "-"
}

const styles: Record<StepView["state"], Parameters<typeof paint>[0]> = {
  waiting: "dim",
  running: "cyan",
  hit: "dim",
  ran: "green",
  cut_off: "dim",
  failed: "red",
  skipped: "yellow"
}

const barWidth = 18
const eighths = " ▏▎▍▌▋▊▉"

/** A bar in eighths of a cell. */
export const bar = (share: number): string => {
  const cells = Math.max(0, Math.min(1, share)) * barWidth
  const full = Math.floor(cells)
  const part = full < barWidth ? eighths[Math.floor((cells - full) * 8)] : ""
  return `${"█".repeat(full)}${part}`.padEnd(barWidth)
}

const value = (name: string, n: number): string =>
  `${name} ${name === "learning_rate" ? n.toExponential(1) : Math.abs(n) >= 100 ? Math.round(n) : n.toPrecision(3)}`

/** What stands right of a running step's name: bar, count, rate, time left, and the numbers of the work as they come. */
const doing = (step: StepView, now: number): string => {
  if (step.stage === undefined) return paint("dim", "waits for what it needs next")
  const elapsed = duration((now - step.startedAt) / 1000)
  const { progress } = step
  if (progress === undefined) return `${step.stage === step.kind ? "" : `${step.stage}, `}${elapsed}`
  const { done, total, unit, values } = progress
  const speed = pace(step, now)
  const parts = [
    total === null ? `${done} ${unit}` : `${bar(done / total)} ${done}/${total} ${unit}`,
    ...(speed === undefined ? [] : [`${speed.rate >= 10 ? Math.round(speed.rate) : speed.rate.toFixed(1)}/s`]),
    ...(speed?.left === undefined ? [] : [`${duration(speed.left)} left`]),
    ...Object.entries(values).map(([name, n]) => value(name, n))
  ]
  return `${step.stage === step.kind ? "" : `${step.stage} `}${parts.join("  ")}`
}

const line = (step: StepView, now: number): ReadonlyArray<string> => {
  const right =
    step.state === "running"
      ? doing(step, now)
      : step.state === "ran"
        ? paint("dim", step.reason)
        : paint("dim", step.state === "waiting" ? "" : step.reason)
  const took =
    step.state === "ran" || step.state === "failed"
      ? duration(step.seconds)
      : step.state === "cut_off"
        ? "cut off"
        : step.state === "waiting"
          ? ""
          : step.state === "running"
            ? ""
            : step.state
  return [paint(styles[step.state], `${marks[step.state]} ${step.name}`), paint("dim", step.kind), took, right]
}

/** The table of steps, one line each, cut to the terminal's width so that redrawing never scrolls. */
export const renderTable = (state: LiveState, now: number, width: number): string =>
  table([...state.steps.values()].map((step) => line(step, now)))
    .split("\n")
    .map((text) => cut(text, width))
    .join("\n")

/** Cuts to `width` cells, leaving colour codes whole. */
export const cut = (text: string, width: number): string => {
  let seen = 0
  let out = ""
  for (const part of text.split(/(\u001b\[[0-9;]*m)/u)) {
    if (part.startsWith("\u001b")) out += part
    else if (seen + part.length <= width) [out, seen] = [out + part, seen + part.length]
    else if (seen < width) [out, seen] = [`${out}${part.slice(0, width - seen - 1)}…`, width]
  }
  return out
}
