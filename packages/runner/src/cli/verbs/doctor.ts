import { Effect } from "effect"
import { Command } from "effect/cli"
import * as Flags from "../Flags.ts"
import { print, printJson } from "../Output.ts"

export const doctorVerb = Command.make(
  "doctor",
  { json: Flags.json },
  Effect.fn("hone doctor")(function* ({ json }) {
    const { doctor } = yield* Effect.promise(() => import("../../doctor/doctor.ts"))
    const { renderDoctor } = yield* Effect.promise(() => import("../../doctor/renderDoctor.ts"))
    const report = yield* Effect.promise(() => doctor())
    if (json) printJson(report)
    else print(renderDoctor(report))
  })
).pipe(
  Command.withDescription(
    "Say what Hone runs on here: runtime, engine, threads, caches, what is missing and how to mend it"
  )
)
