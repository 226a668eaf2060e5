import { type EngineChoice, outOfMemory, StageError } from "@hone/core/Stage"
import { type Engine, EngineFailure, EngineUnavailable, openEngine, type Program, type Session } from "@hone/nn"
import { Effect } from "effect"
import { profiler, type Profiler } from "./profiling.ts"

/** An engine whose time is taken: `seconds` is what was spent inside it since it was opened. */
export interface TimedEngine {
  readonly open: (program: Program) => Promise<Session>
  readonly seconds: () => number
}

const unavailable = (cause: EngineUnavailable) =>
  new StageError({
    code: "engine_unavailable",
    message: cause.message,
    hint:
      cause.mend ??
      "`hone doctor` says what is missing; `npm run setup` puts it there; HONE_ENGINE=wasm runs everywhere, slowly"
  })

const open = async (choice: EngineChoice): Promise<Engine> => {
  const { addon, engine, gpu, library, threads } = choice
  const tensorflow = library === null ? undefined : { library, ...(addon === null ? {} : { addon }) }
  return openEngine({ engine, gpu, tensorflow, threads })
}

/** Says of memory that an engine could not have what to make smaller; passes on what is not for the user to mend. */
const tellMemory = (cause: unknown): never => {
  if (!(cause instanceof EngineFailure) || !cause.outOfMemory) throw cause
  throw new StageError(outOfMemory(cause.message.split("\n")[0]!))
}

const timed = (engine: Engine, profile: Profiler | undefined): TimedEngine => {
  let milliseconds = 0
  const time = async <A>(work: () => Promise<A>): Promise<A> => {
    const start = performance.now()
    try {
      return await work()
    } finally {
      milliseconds += performance.now() - start
    }
  }
  return {
    seconds: () => milliseconds / 1000,
    open: async (program) => {
      const opened = await time(() => engine.open(program))
      const session = profile === undefined ? opened : profile.watch(opened)
      return {
        write: (values) => time(() => session.write(values)),
        run: (name, feeds) => time(() => session.run(name, feeds)).catch(tellMemory),
        read: (names) => time(() => session.read(names)),
        close: async () => {
          profile?.write()
          await session.close()
        }
      }
    }
  }
}

/** Fails by StageError `engine_unavailable`. */
const orUnavailable = <A>(work: () => Promise<A>): Effect.Effect<A, StageError> =>
  Effect.tryPromise({
    try: work,
    catch: (cause) => {
      if (cause instanceof EngineUnavailable) return unavailable(cause)
      throw cause
    }
  })

/** Loads the engine that set-up chose. Fails by StageError `engine_unavailable`. */
export const stageEngine = (choice: EngineChoice): Effect.Effect<TimedEngine, StageError> =>
  orUnavailable(async () =>
    timed(await open(choice), choice.profile === undefined ? undefined : profiler(choice.profile))
  )

/** A program loaded into the engine, closed with the scope. Fails by StageError `engine_unavailable` for what the engine cannot do. */
export const openSession = (engine: TimedEngine, program: Program) =>
  Effect.acquireRelease(
    orUnavailable(() => engine.open(program)),
    (session) => Effect.promise(() => session.close())
  )

/** Lets timers, signals and messages through: an engine's run blocks the thread, and a worker must notice that its runner is gone. */
export const breathe = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
