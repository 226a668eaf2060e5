import type { OutputRef, PipelineStep } from "../Pipeline.ts"
import type { Stage, StageInput } from "../Step.ts"

/** An input of a stage as it is connected: to the output of another step, or to an earlier stage of its own. */
export interface BoundInput {
  /** The stage's name for it; one of several gathered instances carries its binding: `seeds@seed=2`. */
  readonly name: string
  readonly input: StageInput<any>
  /** Absent for an input from a stage of the same step. */
  readonly ref: OutputRef | undefined
}

/** The inputs of a stage, without optional ports that are left open; a gathered port gives one for each instance. */
export const boundInputs = (step: PipelineStep, stage: Stage<any>): ReadonlyArray<BoundInput> => {
  const bound: Array<BoundInput> = []
  for (const [name, input] of Object.entries(stage.inputs)) {
    if ("stage" in input.from) {
      bound.push({ name, input, ref: undefined })
      continue
    }
    const { port } = input.from
    for (const [key, ref] of Object.entries(step.inputs)) {
      if (key === port) bound.push({ name, input, ref })
      else if (key.startsWith(`${port}@`)) bound.push({ name: name + key.slice(port.length), input, ref })
    }
  }
  return bound
}

/** The port that a connected input belongs to: `seeds@seed=2` -> `seeds`. */
export const portOf = (key: string): string => key.split("@", 1)[0]!
