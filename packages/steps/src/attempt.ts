import { StageError } from "@hone/core/Stage"
import { systemHint } from "@hone/core/SystemHint"
import { Data, Effect } from "effect"

class Thrown extends Data.TaggedError("Thrown")<{ readonly cause: unknown }> {}

/**
 * Plain work as an Effect. A StageError it throws is a failure, and so is what the system refuses (no space, no permission);
 * anything else it throws is a mistake of ours: a defect.
 */
export const attempt = <A>(work: () => A | Promise<A>): Effect.Effect<A, StageError> =>
  Effect.tryPromise({ try: async () => work(), catch: (cause) => new Thrown({ cause }) }).pipe(
    Effect.catch(({ cause: error }) => {
      if (error instanceof StageError) return Effect.fail(error)
      return isSystemError(error) ? Effect.fail(refused(error)) : Effect.die(error)
    })
  )

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && "syscall" in error && "code" in error

const refused = (error: NodeJS.ErrnoException): StageError =>
  new StageError({
    code: "system_error",
    message: `the system refused ${error.syscall}${error.path === undefined ? "" : ` on ${error.path}`}: ${error.message}`,
    hint: systemHint(error.code)
  })
