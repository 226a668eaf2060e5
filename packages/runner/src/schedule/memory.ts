import type { PipelineStep, PipelineTypes } from "@hone/core/Pipeline"
import { expectationOf, neighboursOf } from "@hone/core/plan/Neighbours"
import { portOf } from "@hone/core/plan/StageInputs"
import type { PortType } from "@hone/core/Port"
import type { Preimage } from "@hone/core/record/ActionRecord"
import { ActionRecords } from "@hone/core/Services"
import type { OutputArtifact } from "@hone/core/Stage"
import type { Facts, Stage } from "@hone/core/Step"
import { Effect } from "effect"
import { bytes } from "../cli/Output.ts"
import { StageFailed } from "../worker/Workers.ts"
import type { Room } from "./Room.ts"

/** What is known of a step's inputs by their types, by port. */
export const portTypesOf = (step: PipelineStep, types: PipelineTypes): Record<string, PortType> =>
  Object.fromEntries(
    Object.entries(step.inputs).flatMap(([key, { output, step: from }]) => {
      const type = types[from]?.[output]
      return type === undefined ? [] : [[portOf(key), type] as const]
    })
  )

interface StageToCome {
  readonly step: PipelineStep
  readonly stage: Stage<any>
  readonly types: PipelineTypes
  /** By the stage's names for them. */
  readonly inputs: Readonly<Record<string, OutputArtifact | undefined>>
  readonly preimage: Preimage
}

/**
 * Bytes that the process of a stage will hold at most: by its graph, else by the results that were made most like it. Undefined where
 * neither tells.
 */
export const predictedMemory = Effect.fnUntraced(function* ({ inputs, preimage, stage, step, types }: StageToCome) {
  if (stage.forecast !== undefined) {
    const { forecast } = yield* Effect.promise(stage.forecast)
    const facts = Object.entries(stage.inputs).flatMap(([name, { from }]) => {
      const artifact = inputs[name]
      return artifact === undefined || !("port" in from) ? [] : [[from.port, artifact.facts as Facts] as const]
    })
    const context = { params: step.params, inputs: portTypesOf(step, types), facts: Object.fromEntries(facts) }
    const predicted = forecast(context)?.peak_memory_bytes
    if (predicted !== undefined) return predicted
  }
  if (!stage.numerics) return undefined
  const records = yield* ActionRecords
  const like = yield* records.ofKind(stage.identity)
  return expectationOf(neighboursOf(preimage, like))?.peak_memory_bytes ?? undefined
})

const waits = "waits for memory: "

/** "waits for memory: it is predicted to take 1.10 GB, and what runs leaves less than that of 1.50 GB" */
export const waitsForMemory = (need: number, { bytes: all }: Room): string =>
  `${waits}it is predicted to take ${bytes(need)}, and what runs leaves less than that of ${bytes(all)}`

/** Whether a line of a stage's log says that it waits for memory. */
export const isWaiting = (line: string): boolean => line.startsWith(waits)

/** Failures behind which may stand too little memory. */
const ofMemory: ReadonlyArray<string> = ["out_of_memory", "killed"]

/** A failure for want of memory with what was predicted and what was seen; any other as it is. */
export const withMemory = Effect.fnUntraced(function* <R>(
  failure: StageFailed,
  foretell: Effect.Effect<number | undefined, never, R>
) {
  if (!ofMemory.includes(failure.code)) return failure
  const predicted = yield* foretell
  const { blob, code, hint, message, param, peak_rss_bytes: seen, row_ids, stack } = failure
  const mend = param === undefined ? {} : { param }
  const parts = [
    ...(predicted === undefined ? [] : [`${bytes(predicted)} of memory predicted`]),
    ...(seen === null ? [] : [`${bytes(seen)} seen`])
  ]
  if (parts.length === 0) return failure
  // In front, since a table of trials shows the beginning.
  const told = `${parts.join(", ")}: ${message}`
  return new StageFailed({ blob, code, hint, message: told, ...mend, peak_rss_bytes: seen, row_ids, stack })
})
