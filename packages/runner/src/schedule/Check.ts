import { join } from "node:path"
import { boundInputs } from "@hone/core/plan/StageInputs"
import { makerOf } from "@hone/core/plan/StageKey"
import type { PipelineStep } from "@hone/core/Pipeline"
import type { Plan, Prepared } from "@hone/core/plan/Plan"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import { Engine } from "@hone/core/Services"
import type { OutputArtifact } from "@hone/core/Stage"
import type { Stage } from "@hone/core/Step"
import { Effect } from "effect"
import { openAttempt } from "../store/Attempts.ts"
import { remove } from "../store/Files.ts"
import type { StoreFolder } from "../store/Folder.ts"
import { blobPath } from "../store/Folder.ts"
import { Workers } from "../worker/Workers.ts"
import type { Difference } from "./Drift.ts"
import { differenceOf } from "./Drift.ts"
import { cleaned, requestFor } from "./StageRun.ts"

/** A stage made again, held against its record. */
export interface Audit {
  readonly step: string
  readonly stage: string
  readonly verdict: "same" | "drift"
  /** For a drift: the output, and where its tables first differ. */
  readonly difference?: Difference
}

export interface Cached {
  readonly step: PipelineStep
  readonly stage: Stage<any>
  readonly record: ActionRecord
}

/** Every stage of a plan that is a hit. */
export const cachedStages = (prepared: Prepared, plan: Plan): ReadonlyArray<Cached> =>
  plan.steps.flatMap((planned) => {
    const step = prepared.pipeline.steps.find(({ name }) => name === planned.name)!
    return planned.stages.flatMap(({ name, record }) =>
      record === undefined
        ? []
        : [{ step, stage: step.definition.stages.find((stage) => stage.name === name)!, record }]
    )
  })

/** Makes a cached stage again in a folder that is thrown away, from the same inputs and without its checkpoints. */
export const audit = Effect.fn("audit")(function* (
  folder: StoreFolder,
  prepared: Prepared,
  all: ReadonlyArray<Cached>,
  one: Cached
) {
  const workers = yield* Workers
  const engine = yield* Engine
  const { record, stage, step } = one
  const inputs: Record<string, OutputArtifact | undefined> = {}
  for (const { input, name, ref } of boundInputs(step, stage)) {
    const from = ref === undefined ? step : prepared.pipeline.steps.find((candidate) => candidate.name === ref.step)!
    const output = ref?.output ?? ("output" in input.from ? input.from.output : "")
    // Several stages of a step may make an output of one name: its name alone would give the first of them.
    const maker = "stage" in input.from ? input.from.stage : makerOf(from, output).name
    inputs[name] = all.find((cached) => cached.step === from && cached.stage.name === maker)?.record.outputs[output]
  }
  return yield* Effect.acquireUseRelease(
    Effect.sync(() => openAttempt(folder)),
    (attempt) =>
      Effect.gen(function* () {
        const asked = requestFor({ folder, prepared }, step, stage, record.preimage, inputs, attempt)
        // A checkpoint would give back what was computed then, which is what is to be checked.
        const done = yield* workers
          .run({ ...asked, checkpoints: null, engine }, { progress: () => {}, log: () => {} })
          .pipe(Effect.mapError((failure) => cleaned({ prepared }, failure)))
        const at = { step: step.name, stage: stage.name }
        const difference = yield* Effect.promise(() =>
          differenceOf(record.outputs, done.outputs, {
            first: ({ blob }) => blobPath(folder, blob),
            second: ({ file }) => join(attempt, file)
          })
        )
        return (
          difference === undefined ? { ...at, verdict: "same" } : { ...at, verdict: "drift", difference }
        ) as Audit
      }),
    (attempt) => Effect.sync(() => remove(attempt))
  )
})
