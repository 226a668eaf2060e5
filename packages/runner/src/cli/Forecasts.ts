import type { Pipeline, PipelineStep, PipelineTypes } from "@hone/core/Pipeline"
import { portOf } from "@hone/core/plan/StageInputs"
import type { Plan } from "@hone/core/plan/Plan"
import type { Facts, Forecast } from "@hone/core/Step"
import { Effect } from "effect"
import { portTypesOf } from "../schedule/memory.ts"
import { memoryLeft } from "../schedule/Room.ts"
import { bytes } from "./Output.ts"

/** What is predicted for one stage that has to run, or may have to. */
export interface StageForecast extends Forecast {
  readonly step: string
  readonly stage: string
}

/** The facts of a step's inputs that are there already, by port. */
const factsOf = (step: PipelineStep, plan: Plan): Record<string, Facts> => {
  const known = Object.entries(step.inputs).flatMap(([key, { output, step: from }]) => {
    const stages = plan.steps.find(({ name }) => name === from)?.stages ?? []
    const artifact = stages.flatMap(({ record }) => record?.outputs[output] ?? [])[0]
    return artifact === undefined ? [] : [[portOf(key), artifact.facts as Facts] as const]
  })
  return Object.fromEntries(known)
}

/** Predicts what the stages that run, or may, will need, as far as they can be predicted. Loads their graphs; never called where all is cached. */
export const forecastsOf = Effect.fn("forecasts")(function* (
  pipeline: Pick<Pipeline, "steps">,
  types: PipelineTypes,
  plan: Plan,
  // Instances of a matrix, and trials of a sweep, mostly share their shapes.
  known: Map<string, Forecast | undefined> = new Map()
) {
  const found: Array<StageForecast> = []
  for (const [at, { stages }] of plan.steps.entries()) {
    const step = pipeline.steps[at]!
    for (const [index, { name, verdict }] of stages.entries()) {
      const load = step.definition.stages[index]!.forecast
      if ((verdict !== "run" && verdict !== "maybe") || load === undefined) continue
      const context = { params: step.params, inputs: portTypesOf(step, types), facts: factsOf(step, plan) }
      const same = JSON.stringify([step.definition.kind, name, context])
      if (!known.has(same)) {
        const { forecast } = yield* Effect.promise(load)
        known.set(same, forecast(context))
      }
      const predicted = known.get(same)
      if (predicted !== undefined) found.push({ ...predicted, step: step.name, stage: name })
    }
  }
  return found as ReadonlyArray<StageForecast>
})

/** "87.1 GFLOP" */
const flops = (count: number): string => {
  const units = ["", " k", " M", " G", " T", " P"]
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, count)) / 3)))
  return `${(count / 1000 ** power).toPrecision(3)}${units[power]}FLOP`
}

export const lowerMemory = "lower batch_size or max_length"

/** "6.00 GB that `resources` declares" */
export const roomText = (room: number, declared: number | null): string =>
  `${bytes(room)} that ${declared === null ? "this machine has left" : "`resources` declares"}`

/**
 * "tuned: 1.24 GB of memory at most; 87.1 GFLOP a step (16 rows of 128 tokens), 126 steps"
 * @param declared bytes that the file leaves to stages; null: what the machine has left
 */
export const renderForecasts = (forecasts: ReadonlyArray<StageForecast>, declared: number | null): string => {
  const room = declared ?? memoryLeft()
  return forecasts
    .map(({ batch, flops_per_step, peak_memory_bytes, step, steps }) => {
      const all = steps === null ? "" : `, ${flops(steps * flops_per_step)} in ${steps} steps`
      const over = peak_memory_bytes > room ? `, more than the ${roomText(room, declared)}: ${lowerMemory}` : ""
      return `${step}: ${bytes(peak_memory_bytes)} of memory at most${over}; ${flops(flops_per_step)} a step (${batch})${all}`
    })
    .join("\n")
}
