import type { RunEvent } from "@hone/core/Contract"
import { duration } from "../Output.ts"

const everyMillis = 10_000

/** A line for each thing that a reader of a log wants to know; progress at most every ten seconds a step. */
export const plainLines = (): ((event: RunEvent, now: number) => ReadonlyArray<string>) => {
  const told = new Map<string, number>()
  const kinds = new Map<string, string>()
  return (event, now) => {
    switch (event.event) {
      case "start":
        for (const { kind, name } of event.steps) kinds.set(name, kind)
        return []
      case "stage":
        if (event.state === "ended") return []
        told.set(event.step, now)
        return [
          `${event.step}: ${event.stage === kinds.get(event.step) ? "" : `${event.stage} `}starts (${event.reason})`
        ]
      case "progress": {
        if (now - (told.get(event.step) ?? 0) < everyMillis && event.done !== event.total) return []
        told.set(event.step, now)
        const values = Object.entries(event.values).map(([name, n]) => ` ${name} ${n.toPrecision(4)}`)
        return [
          `${event.step}: ${event.done}${event.total === null ? "" : `/${event.total}`} ${event.unit}${values.join("")}`
        ]
      }
      case "warning":
        return [`${event.step}: warning: ${event.message}`]
      case "step":
        return event.outcome === "ran"
          ? [`${event.name}: done in ${duration(event.seconds)}`]
          : [
              `${event.name}: ${event.outcome === "cut_off" ? "cut off" : event.outcome}${event.reason === "" ? "" : ` (${event.reason})`}`
            ]
      default:
        return []
    }
  }
}
