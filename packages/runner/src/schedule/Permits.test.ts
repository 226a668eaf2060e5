import { Deferred, Effect, Fiber } from "effect"
import { expect, it } from "vitest"
import { Permits } from "./Permits.ts"

/** Pieces of work that note when they begin, and end when they are told to. */
const workshop = (permits: Permits) => {
  const begun: Array<string> = []
  const start = Effect.fnUntraced(function* (name: string, n: number) {
    const end = yield* Deferred.make<void>()
    const fiber = yield* Effect.forkChild(
      permits.hold(n, () =>
        Effect.andThen(
          Effect.sync(() => void begun.push(name)),
          Deferred.await(end)
        )
      )
    )
    yield* settled
    return { fiber, end: Effect.andThen(Deferred.succeed(end, undefined), settled) }
  })
  return { begun, start }
}

/** What was set free has been given to who waits. */
const settled = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

const test = (name: string, work: Effect.Effect<void>) => it(name, () => Effect.runPromise(work))

test(
  "slots go to those who came first among those that fit, and one that asks for more is overtaken",
  Effect.gen(function* () {
    const { begun, start } = workshop(new Permits(2))
    const a = yield* start("a", 1)
    const both = yield* start("both", 2)
    const b = yield* start("b", 1)
    const c = yield* start("c", 1)
    expect(begun).toEqual(["a", "b"])
    yield* a.end
    expect(begun).toEqual(["a", "b", "c"])
    yield* b.end
    expect(begun).toEqual(["a", "b", "c"])
    yield* c.end
    expect(begun).toEqual(["a", "b", "c", "both"])
    yield* both.end
  })
)

test(
  "who is interrupted while it waits or works leaves its slots to others",
  Effect.gen(function* () {
    const { begun, start } = workshop(new Permits(1))
    const working = yield* start("working", 1)
    const waiting = yield* start("waiting", 1)
    yield* start("next", 1)
    yield* Fiber.interrupt(waiting.fiber)
    yield* Fiber.interrupt(working.fiber)
    yield* settled
    expect(begun).toEqual(["working", "next"])
  })
)

test(
  "slots that are given back early are not given back again at the end",
  Effect.gen(function* () {
    const permits = new Permits(1)
    const { begun, start } = workshop(permits)
    const end = yield* Deferred.make<void>()
    const early = yield* Effect.forkChild(permits.hold(1, (giveBack) => Effect.andThen(giveBack, Deferred.await(end))))
    yield* settled
    yield* start("first", 1)
    yield* start("second", 1)
    yield* Deferred.succeed(end, undefined)
    yield* Fiber.join(early)
    yield* settled
    expect(begun).toEqual(["first"])
  })
)

it("a thousand that wait all get their turns, one at a time", async () => {
  const permits = new Permits(1)
  let [now, most, done] = [0, 0, 0]
  const work = permits.hold(1, () =>
    Effect.gen(function* () {
      most = Math.max(most, ++now)
      yield* Effect.yieldNow
      now -= 1
      done += 1
    })
  )
  await Effect.runPromise(
    Effect.all(
      Array.from({ length: 1000 }, () => work),
      { concurrency: "unbounded" }
    )
  )
  expect([most, done]).toEqual([1, 1000])
})
