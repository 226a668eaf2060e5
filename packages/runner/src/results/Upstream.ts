import type { OutputRef, Pipeline, PipelineStep } from "@hone/core/Pipeline"
import type { Plan, PlannedStep } from "@hone/core/plan/Plan"
import type { InputArtifact, OutputArtifact } from "@hone/core/Stage"
import type { StoreFolder } from "../store/Folder.ts"
import { blobPath } from "../store/Folder.ts"

/** The artifact behind an output, where the store has it for the file as it is now. */
export const artifactOf = (plan: Plan, ref: OutputRef | undefined): OutputArtifact | undefined =>
  plan.steps
    .find(({ name }) => name === ref?.step)
    ?.stages.flatMap(({ record }) => record?.outputs[ref!.output] ?? [])
    .at(0)

/** An artifact of the store as a stage reads it. */
export const inputOf = (folder: StoreFolder, { blob, content, facts }: OutputArtifact): InputArtifact => ({
  path: blobPath(folder, blob),
  blob,
  content,
  facts: facts as InputArtifact["facts"]
})

const stepNamed = (pipeline: Pipeline, name: string): PipelineStep | undefined =>
  pipeline.steps.find((step) => step.name === name)

/** The steps that an output hangs on, nearest first, its own step among them. */
export const stepsBehind = (pipeline: Pipeline, ref: OutputRef): ReadonlyArray<PipelineStep> => {
  const found = new Set<PipelineStep>()
  const queue = [ref.step]
  for (const name of queue) {
    const step = stepNamed(pipeline, name)
    if (step === undefined || found.has(step)) continue
    found.add(step)
    queue.push(...Object.values(step.inputs).map((input) => input.step))
  }
  return [...found]
}

/** The nearest step of a kind that an output hangs on. */
export const nearest = (pipeline: Pipeline, ref: OutputRef, kind: string): PipelineStep | undefined =>
  stepsBehind(pipeline, ref).find(({ definition }) => definition.kind === kind)

/** The planned counterparts, in the order of the plan. */
export const plannedOf = (plan: Plan, steps: ReadonlyArray<PipelineStep>): ReadonlyArray<PlannedStep> => {
  const names = new Set(steps.map(({ name }) => name))
  return plan.steps.filter(({ name }) => names.has(name))
}
