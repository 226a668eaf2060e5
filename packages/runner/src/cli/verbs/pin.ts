import type { Pipeline } from "@hone/core/Pipeline"
import type { Plan } from "@hone/core/plan/Plan"
import { Clock, Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { homeOf, storeFolder } from "../../store/Folder.ts"
import { removePins, writePin } from "../../store/Pins.ts"
import { fileInHome } from "../../store/Runs.ts"
import * as Flags from "../Flags.ts"
import { loadPlan, unknownStep } from "../Load.ts"
import { print, printJson } from "../Output.ts"
import { refuse } from "../StepResult.ts"

const optionalStep = Argument.String("step").pipe(
  Argument.withDescription("a step of it, with all that it is made from; the whole pipeline by default"),
  Argument.optional
)

/** A step and all that it reads, directly or not; every step where none is named. */
const closure = (pipeline: Pipeline, name: string | undefined): ReadonlySet<string> => {
  const found = new Set<string>()
  const visit = (step: string): void => {
    if (found.has(step)) return
    found.add(step)
    const inputs = pipeline.steps.find((candidate) => candidate.name === step)?.inputs ?? {}
    for (const ref of Object.values(inputs)) visit(ref.step)
  }
  for (const step of name === undefined ? pipeline.steps.map((step) => step.name) : [name]) visit(step)
  return found
}

const keysOf = (planned: Plan, steps: ReadonlySet<string>): ReadonlyArray<string> =>
  planned.steps
    .filter(({ name }) => steps.has(name))
    .flatMap(({ stages }) => stages.flatMap(({ record }) => record?.key ?? []))

const count = (results: number) => (results === 1 ? "1 result" : `${results} results`)

export const pinVerb = Command.make(
  "pin",
  { file: Flags.file, step: optionalStep, set: Flags.set, json: Flags.json },
  Effect.fn("hone pin")(function* ({ file, json, set, step: asked }) {
    const step = asked._tag === "Some" ? asked.value : undefined
    const { folder, pipeline, planned } = yield* loadPlan({ file, sets: set, json })
    if (step !== undefined && !pipeline.steps.some(({ name }) => name === step))
      return yield* unknownStep(file, step, planned, json)
    const steps = closure(pipeline, step)
    const missing = planned.steps.filter(({ name, verdict }) => steps.has(name) && verdict !== "hit")
    if (missing.length > 0) {
      const names = missing.map(({ name }) => `\`${name}\``).join(", ")
      const hint = `\`hone run ${file}\` makes what is missing`
      return yield* refuse(1, { message: `there is no result to pin of ${names}`, hint }, json)
    }
    const keys = keysOf(planned, steps)
    const pinned_at = new Date(yield* Clock.currentTimeMillis).toISOString()
    const pin = { file: fileInHome(folder, file), ...(step === undefined ? {} : { step }), sets: set, keys, pinned_at }
    yield* Effect.sync(() => writePin(folder, pin))
    if (json) printJson(pin)
    else print(`pinned ${count(keys.length)}: \`hone gc\` leaves them until \`hone unpin ${file}\``)
  })
).pipe(
  Command.withDescription(
    "Keep results, of a step with all that it is made from, whatever its pipeline becomes: gc leaves them"
  )
)

export const unpinVerb = Command.make(
  "unpin",
  { file: Flags.file, step: optionalStep, json: Flags.json },
  Effect.fn("hone unpin")(function* ({ file, json, step: asked }) {
    const folder = storeFolder(homeOf(file))
    const step = asked._tag === "Some" ? asked.value : undefined
    const removed = yield* Effect.sync(() => removePins(folder, fileInHome(folder, file), step))
    if (removed === 0) {
      const what = step === undefined ? file : `${file} ${step}`
      return yield* refuse(1, { message: `nothing of ${what} is pinned`, hint: "`hone gc` lists the pins" }, json)
    }
    if (json) printJson({ removed })
    else print(`removed ${removed === 1 ? "1 pin" : `${removed} pins`}`)
  })
).pipe(Command.withDescription("Take the pins of a pipeline, or of one step, away again"))
