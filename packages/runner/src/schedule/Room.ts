import { freemem } from "node:os"
import { Effect, Option, Semaphore } from "effect"

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

/** What the machine has left, or the container that this process runs in. */
export const memoryLeft = (): number => {
  // No limit is told as more than any machine has.
  const inContainer = process.constrainedMemory() - process.memoryUsage.rss()
  return Math.min(freemem(), inContainer > 0 ? inContainer : Infinity)
}

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
