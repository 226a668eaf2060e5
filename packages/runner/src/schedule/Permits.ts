import { Effect } from "effect"

interface Waiter {
  readonly turn: number
  readonly resume: (effect: Effect.Effect<void>) => void
  isGone: boolean
}

/** First come, first served; taken from the front in constant time, however many wait. */
class Line {
  #waiters: Array<Waiter> = []
  #front = 0

  push(waiter: Waiter): void {
    this.#waiters.push(waiter)
  }

  first(): Waiter | undefined {
    while (this.#waiters[this.#front]?.isGone === true) this.#front += 1
    return this.#waiters[this.#front]
  }

  shift(): void {
    this.#front += 1
    if (this.#front < 1024 || this.#front < this.#waiters.length / 2) return
    this.#waiters = this.#waiters.slice(this.#front)
    this.#front = 0
  }
}

/**
 * So many slots, of which a piece of work takes one or several. Effect's Semaphore looks through all that wait whenever a slot comes free,
 * which of ten thousand stages is a hundred million looks; here those who ask for equally many stand in one line. Of those at the front
 * of a line that fit into what is free, the first to have come is next; one that asks for more is overtaken.
 */
export class Permits {
  #free: number
  #turn = 0
  readonly #lines = new Map<number, Line>()

  constructor(permits: number) {
    this.#free = permits
  }

  /** Runs `work` with `n` slots, which it may give back before its end. */
  hold<A, E, R>(n: number, work: (giveBack: Effect.Effect<void>) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(this.#take(n)), () => {
        let isHeld = true
        const giveBack = Effect.sync(() => {
          if (isHeld) this.#release(n)
          isHeld = false
        })
        return Effect.ensuring(restore(work(giveBack)), giveBack)
      })
    )
  }

  #take(n: number): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const line = this.#lines.get(n) ?? new Line()
      this.#lines.set(n, line)
      if (n <= this.#free && line.first() === undefined) {
        this.#free -= n
        return resume(Effect.void)
      }
      const waiter: Waiter = { turn: this.#turn++, resume, isGone: false }
      line.push(waiter)
      return Effect.sync(() => void (waiter.isGone = true))
    })
  }

  /** Those who are next go on later: not within who gives back, ten thousand deep. */
  #release(n: number): void {
    this.#free += n
    queueMicrotask(() => this.#grant())
  }

  #grant(): void {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      this.#free -= next.n
      next.line.shift()
      next.waiter.resume(Effect.void)
    }
  }

  #next() {
    let next: { readonly n: number; readonly line: Line; readonly waiter: Waiter } | undefined
    for (const [n, line] of this.#lines) {
      const waiter = n <= this.#free ? line.first() : undefined
      if (waiter !== undefined && (next === undefined || waiter.turn < next.waiter.turn)) next = { n, line, waiter }
    }
    return next
  }
}
