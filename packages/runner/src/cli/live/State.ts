import type { RunEvent } from "@hone/core/Contract"

/** A step as the table shows it. */
export interface StepView {
  readonly name: string
  readonly kind: string
  state: "waiting" | "running" | "hit" | "ran" | "cut_off" | "failed" | "skipped"
  reason: string
  seconds: number
  stage: string | undefined
  startedAt: number
  progress: { done: number; total: number | null; unit: string; values: Readonly<Record<string, number>> } | undefined
  /** When and at what count the present stage began to report, for its rate. */
  since: { at: number; done: number } | undefined
}

export interface LiveState {
  pipeline: string
  readonly steps: Map<string, StepView>
  readonly notes: Array<string>
}

export const emptyState = (): LiveState => ({ pipeline: "", steps: new Map(), notes: [] })

/** Takes one event into the state; `now` in milliseconds. */
export const absorb = (state: LiveState, event: RunEvent, now: number): void => {
  switch (event.event) {
    case "start":
      state.pipeline = event.pipeline
      for (const { kind, name, reason } of event.steps) {
        state.steps.set(name, {
          name,
          kind,
          state: "waiting",
          reason,
          seconds: 0,
          stage: undefined,
          startedAt: 0,
          progress: undefined,
          since: undefined
        })
      }
      return
    case "stage": {
      const step = state.steps.get(event.step)!
      if (event.state === "ended") {
        // Of several stages at once the table shows the one that spoke last: only its own end clears the line.
        if (step.stage === event.stage) Object.assign(step, { stage: undefined, progress: undefined, since: undefined })
        return
      }
      Object.assign(step, {
        state: "running",
        stage: event.stage,
        reason: event.reason,
        startedAt: now,
        progress: undefined,
        since: undefined
      })
      return
    }
    case "progress": {
      const step = state.steps.get(event.step)!
      if (step.stage !== event.stage) Object.assign(step, { stage: event.stage, since: undefined })
      step.since = step.since === undefined || step.since.done > event.done ? { at: now, done: event.done } : step.since
      step.progress = {
        done: event.done,
        total: event.total,
        unit: event.unit,
        values: { ...step.progress?.values, ...event.values }
      }
      return
    }
    case "step": {
      const step = state.steps.get(event.name)!
      Object.assign(step, {
        state: event.outcome,
        reason: event.reason,
        seconds: event.seconds,
        stage: undefined,
        progress: undefined
      })
      return
    }
    case "warning":
      state.notes.push(`warning: ${event.step}: ${event.message}`)
      return
    default:
  }
}

/** Units a second since the stage began to report, and seconds left at that rate; undefined before there is anything to go by. */
export const pace = (step: StepView, now: number): { rate: number; left: number | undefined } | undefined => {
  const { progress, since } = step
  if (progress === undefined || since === undefined) return undefined
  const seconds = (now - since.at) / 1000
  const rate = (progress.done - since.done) / seconds
  if (seconds < 0.5 || rate <= 0) return undefined
  return { rate, left: progress.total === null ? undefined : (progress.total - progress.done) / rate }
}
