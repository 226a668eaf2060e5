import { freemem } from "node:os"
import { Effect, Option, Semaphore } from "effect"
import { freeMemory } from "../worker/freeMemory.ts"

/** The memory that stages which run side by side may take together. */
export interface Room {
  readonly bytes: number
  /**
   * Work begins when what it is predicted to take fits beside what runs; what is larger than the room runs alone.
   * @param need bytes; undefined, where nothing is predicted, counts nothing
   * @param waiting told once, where it has to wait
   */
  readonly within: (
    need: number | undefined,
    waiting: () => void
  ) => <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const MIB = 2 ** 20

/** What the machine has left, or the control group that this process runs in. */
export const memoryLeft = (): number => freeMemory()?.bytes ?? freemem()

/** @param declared bytes; null: what is left now */
export const roomOf = (declared: number | null): Room => {
  const bytes = declared ?? memoryLeft()
  const all = Math.max(1, Math.floor(bytes / MIB))
  const semaphore = Semaphore.makeUnsafe(all)
  return {
    bytes,
    within: (need, waiting) => (work) => {
      if (need === undefined) return work
      const permits = Math.min(all, Math.ceil(need / MIB))
      return Effect.flatMap(semaphore.withPermitsIfAvailable(permits)(work), (done) => {
        if (Option.isSome(done)) return Effect.succeed(done.value)
        waiting()
        return semaphore.withPermits(permits)(work)
      })
    }
  }
}
