import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import type { DoctorReport } from "../../doctor/DoctorReport.ts"
import { EngineMissing, readEngine } from "../../engine/EngineFile.ts"
import * as Flags from "../Flags.ts"
import { print, printJson } from "../Output.ts"
import { ownFolder } from "../Places.ts"

const BENCH_SECONDS = 16 // of measuring; loading and warming up make it twenty

/** What cannot be measured is a finding like any other. */
const withSpeed = async (report: DoctorReport): Promise<DoctorReport> => {
  const engine = readEngine(ownFolder(), process.env)
  if (engine instanceof EngineMissing) {
    return { ...report, speed: null, findings: [...report.findings, { what: engine.problem, mend: engine.hint }] }
  }
  const { measureSpeed } = await import("../../doctor/speed.ts")
  try {
    return { ...report, speed: await measureSpeed(engine, BENCH_SECONDS) }
  } catch (cause) {
    const what = `the speed of this machine could not be measured: ${(cause as Error).message}`
    return { ...report, speed: null, findings: [...report.findings, { what, mend: null }] }
  }
}

export const doctorVerb = Command.make(
  "doctor",
  {
    json: Flags.json,
    bench: Flag.Boolean("bench").pipe(
      Flag.withDescription(
        "train and evaluate a small model for twenty seconds, and say what this machine does in one"
      ),
      Flag.withDefault(false)
    )
  },
  Effect.fn("hone doctor")(function* ({ bench, json }) {
    const { doctor } = yield* Effect.promise(() => import("../../doctor/doctor.ts"))
    const { renderDoctor } = yield* Effect.promise(() => import("../../doctor/renderDoctor.ts"))
    const found = yield* Effect.promise(() => doctor())
    const report = bench ? yield* Effect.promise(() => withSpeed(found)) : found
    if (json) printJson(report)
    else print(renderDoctor(report))
  })
).pipe(
  Command.withDescription(
    "Say what Hone runs on here: runtime, engine, threads, caches, what is missing and how to mend it"
  )
)
