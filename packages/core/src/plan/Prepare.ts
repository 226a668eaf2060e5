import { Effect, Result } from "effect"
import type { Fault } from "../Fault.ts"
import { PipelineFaults, sortFaults } from "../Fault.ts"
import type { SoundPart } from "../file/Decode.ts"
import { nearest } from "../file/Suggest.ts"
import type { Pipeline } from "../Pipeline.ts"
import type { ResolvedSource } from "../Services.ts"
import { Sources } from "../Services.ts"
import type { SourceRequest } from "../Step.ts"
import { checkTypes } from "../TypeCheck.ts"
import type { Prepared } from "./Plan.ts"

const meant = ({ names, spec }: SourceRequest): string | undefined => {
  const near = nearest(spec, names ?? [])
  return near === undefined ? undefined : `did you mean \`${near}\`?`
}

/** Finds and digests every source, reads their heads, and checks all types: the last faults that can be told before a run. */
export const prepare = Effect.fn("prepare")(function* (pipeline: Pipeline, unsure: ReadonlySet<string> = new Set()) {
  const service = yield* Sources
  const sources: Record<string, Record<string, ResolvedSource>> = {}
  const faults: Array<Fault> = []
  for (const step of pipeline.steps) {
    const found: Record<string, ResolvedSource> = {}
    for (const [name, request] of Object.entries(step.sources)) {
      const result = yield* Effect.result(service.resolve(request, step.definition, step.params, pipeline.conceal))
      if (Result.isSuccess(result)) found[name] = result.success
      else {
        const place = pipeline.place(["steps", step.written, "with", request.param], "value")
        faults.push({
          ...place,
          code: "source",
          message: result.failure.message,
          hint: meant(request) ?? result.failure.hint
        })
      }
    }
    sources[step.name] = found
  }
  const unread = pipeline.steps.filter((step) =>
    Object.keys(step.sources).some((name) => sources[step.name]?.[name] === undefined)
  )
  const heads = Object.fromEntries(
    Object.entries(sources).map(([step, found]) => [
      step,
      Object.fromEntries(Object.entries(found).map(([name, source]) => [name, source.head]))
    ])
  )
  const checked = checkTypes(pipeline, heads, new Set([...unsure, ...unread.map((step) => step.name)]))
  faults.push(...checked.faults)
  if (faults.length > 0) {
    return yield* new PipelineFaults({ faults: sortFaults(faults, pipeline.file), texts: pipeline.texts })
  }
  const prepared: Prepared = { pipeline, sources, types: checked.types }
  return prepared
})

/** The faults of a file, and those that its sound part has beside: all that can be told at once. */
export const withFurtherFaults = Effect.fn("withFurtherFaults")(function* (
  told: PipelineFaults,
  { pipeline, unsure }: SoundPart
) {
  const prepared = yield* Effect.result(prepare(pipeline, unsure))
  const further = Result.isFailure(prepared) ? prepared.failure.faults : []
  return new PipelineFaults({ faults: sortFaults([...told.faults, ...further], pipeline.file), texts: pipeline.texts })
})
