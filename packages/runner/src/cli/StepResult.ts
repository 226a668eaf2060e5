import { StageError } from "@hone/core/Stage"
import { suggest } from "@hone/core/file/Suggest"
import type { PipelineStep } from "@hone/core/Pipeline"
import { Effect } from "effect"
import { Exit } from "./Exit.ts"
import type { Loaded } from "./Load.ts"
import { unknownStep } from "./Load.ts"
import { printError, printJson } from "./Output.ts"

/** What a verb was asked for and cannot do, said as faults are: what is wrong, and how to mend it. */
export const refuse = (
  code: 1 | 2,
  fault: { readonly message: string; readonly hint: string },
  json = false
): Effect.Effect<never, Exit> =>
  Effect.suspend(() => {
    if (json) printJson({ failure: fault })
    else printError(fault.hint === "" ? fault.message : `${fault.message}\n  ${fault.hint}`)
    return Effect.fail(new Exit({ code }))
  })

/** A failure of the work, printed; anything else passes on as a defect. */
export const refusing =
  (json: boolean) =>
  <A, R>(work: Effect.Effect<A, StageError | Exit, R>): Effect.Effect<A, Exit, R> =>
    Effect.catchTag(work, "StageError", ({ hint, message }) => refuse(1, { message, hint }, json))

/**
 * The step of a verb that reads results, which must be of one of `kinds` and have its result in the store. Exits with 2 for a step
 * that is none, with 1 for one that has not run.
 */
export const finishedStep = Effect.fnUntraced(function* (
  { pipeline, planned }: Loaded,
  asked: {
    readonly file: string
    readonly step: string
    readonly kinds: ReadonlyArray<string>
    readonly why: string
    readonly json: boolean
  }
): Effect.fn.Return<PipelineStep, Exit> {
  const { file, json, kinds, step: name, why } = asked
  const step = pipeline.steps.find((candidate) => candidate.name === name)
  const plan = planned.steps.find((candidate) => candidate.name === name)
  if (step === undefined || plan === undefined) return yield* unknownStep(file, name, planned, json)
  if (!kinds.includes(step.definition.kind)) {
    const fit = pipeline.steps
      .filter(({ definition }) => kinds.includes(definition.kind))
      .map((candidate) => candidate.name)
    const hint = fit.length === 0 ? `add a step of kind ${kinds.join(" or ")}` : suggest(name, fit)
    return yield* refuse(2, { message: `\`${name}\` is a ${step.definition.kind} step: ${why}`, hint }, json)
  }
  if (plan.verdict === "hit") return step
  const message = `\`${name}\` has no result for the file as it is now: ${plan.reason}`
  return yield* refuse(1, { message, hint: `\`hone run ${file}\` makes it` }, json)
})
