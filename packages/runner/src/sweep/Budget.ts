import type { RunEvent } from "@hone/core/Contract"
import type { Sweep } from "@hone/core/sweep/Sweep"
import { Clock, Deferred, Effect } from "effect"
import type { SweepState } from "./State.ts"
import type { PlannedPiece } from "./Trials.ts"

/** How long a piece has computed with tensors, as its events tell. */
export interface DeviceClock {
  readonly see: (event: RunEvent, millis: number) => void
  /** Seconds until now, those of stages that still run included. */
  readonly seconds: (millis: number) => number
}

export const deviceClock = ({ prepared }: PlannedPiece): DeviceClock => {
  const running = new Map<string, number>()
  let ended = 0
  const isTensors = (step: string, stage: string) =>
    prepared.pipeline.steps
      .find(({ name }) => name === step)
      ?.definition.stages.some(({ name, numerics }) => name === stage && numerics) === true
  return {
    see: (event, millis) => {
      if (event.event !== "stage" || !isTensors(event.step, event.stage)) return
      const at = `${event.step}/${event.stage}`
      if (event.state === "started") running.set(at, millis)
      else {
        ended += millis - (running.get(at) ?? millis)
        running.delete(at)
      }
    },
    seconds: (millis) => [...running.values()].reduce((sum, began) => sum + millis - began, ended) / 1000
  }
}

/** Seconds between two looks at a budget, at least: what is used of a device is summed over pieces that run side by side. */
const leastPause = 0.05

/** What is left of a sweep's budget, and the end of it, which pieces that run can wait for. */
export const budgetOf = ({ budget, search }: Sweep, state: SweepState, running: ReadonlySet<DeviceClock>) => {
  const { device_seconds, wall_seconds } = budget
  const used = Deferred.makeUnsafe<void>()
  const wallLeft = (now: number) => (wall_seconds ?? Infinity) - (now - state.startedAt) / 1000
  const deviceLeft = (now: number) =>
    (device_seconds ?? Infinity) - [...running].reduce((sum, clock) => sum + clock.seconds(now), state.deviceSeconds)

  /** Why nothing more may run; undefined while something may. */
  const ended = Effect.map(Clock.currentTimeMillis, (now) => {
    if (wallLeft(now) <= 0) return "the budget's wall_time is used up"
    return deviceLeft(now) <= 0 ? "the budget's device_time is used up" : undefined
  })
  const watch = Effect.gen(function* () {
    for (;;) {
      const reason = yield* ended
      if (reason !== undefined) {
        if (state.phase !== "test") state.ended ??= reason
        return yield* Deferred.succeed(used, undefined)
      }
      const now = yield* Clock.currentTimeMillis
      // Of a device, no more than so many seconds a second can be used.
      const left = Math.min(wallLeft(now), deviceLeft(now) / search.parallel)
      yield* Effect.sleep(1000 * Math.max(leastPause, left))
    }
  })
  const isLimited = device_seconds !== null || wall_seconds !== null
  return { ended, used: Deferred.await(used), watch: isLimited ? watch : Effect.void }
}
