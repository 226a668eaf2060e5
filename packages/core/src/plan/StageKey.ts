import { fingerprint } from "../Canonical.ts"
import type { Json } from "../Json.ts"
import type { Pipeline, PipelineStep } from "../Pipeline.ts"
import type { Preimage } from "../record/ActionRecord.ts"
import type { ResolvedSource } from "../Services.ts"
import type { EngineChoice, OutputArtifact, Work } from "../Stage.ts"
import { boundInputs } from "./StageInputs.ts"
import type { Applies, Facts, Stage, StageInput } from "../Step.ts"

/** What is known of a stage when it is keyed: each input's artifact, or nothing where it has still to be made. */
export interface Knowledge {
  readonly pipeline: Pipeline
  readonly step: PipelineStep
  readonly stage: Stage<any>
  readonly inputs: Readonly<Record<string, OutputArtifact | undefined>>
  readonly sources: Readonly<Record<string, ResolvedSource>>
  readonly engine: EngineChoice
  readonly implementation: (module: string, parts: ReadonlyArray<string>) => string
  readonly seed: number
}

export interface Keyed {
  /** Absent while the facts that decide it are not known. */
  readonly applies: Applies | undefined
  /** Digests of inputs that are not known yet are empty strings. */
  readonly preimage: Preimage
  readonly unknown: ReadonlyArray<string>
}

const factsOf = (inputs: Knowledge["inputs"]): Record<string, Facts> =>
  Object.fromEntries(Object.entries(inputs).map(([name, artifact]) => [name, (artifact?.facts ?? {}) as Facts]))

/** What a stage's work is given of an input's facts: nothing that its key does not hold. */
export const factsGiven = ({ derived, facts: read }: StageInput<any>, facts: Facts): Facts => {
  if (derived === true || read === "all") return facts
  return Object.fromEntries((read ?? []).flatMap((name) => (Object.hasOwn(facts, name) ? [[name, facts[name]!]] : [])))
}

/** Params of a key or trajectory, with what stands for those that the environment gave. */
export const keyedParams = (
  { hidden }: Pick<PipelineStep, "hidden">,
  params: Readonly<Record<string, Json>>
): Readonly<Record<string, Json>> =>
  Object.fromEntries(Object.entries(params).map(([name, value]) => [name, hidden[name] ?? value]))

/** The preimage of a stage's key from all that is known, and which inputs are missing from it. */
export const keyStage = ({ engine, implementation, inputs, seed, sources, stage, step }: Knowledge): Keyed => {
  const facts = factsOf(inputs)
  const digests: Record<string, string> = {}
  const unknown: Array<string> = []
  for (const { input, name } of boundInputs(step, stage)) {
    if (input.derived === true) continue
    const artifact = inputs[name]
    if (artifact === undefined) {
      unknown.push(name)
      digests[name] = ""
      continue
    }
    const view = input.view?.(step.params, facts[name] ?? {})
    const content = view === undefined ? artifact.content : (artifact.views[view] ?? artifact.content)
    digests[name] =
      input.facts === undefined
        ? content
        : fingerprint("hone-input/1", [content, factsGiven(input, facts[name] ?? {}) as Json])
  }
  const read = Object.entries(sources).map(([name, source]) => {
    const requested = step.sources[name]?.format ?? ""
    return [name, { format: source.head.format ?? requested, digest: source.digest }] as const
  })
  const parts = stage.parts?.(step.params, facts, engine.numerics.class) ?? []
  const preimage: Preimage = {
    step: { kind: stage.identity, version: stage.version, implementation: implementation(stage.module, parts) },
    params: keyedParams(step, stage.params(step.params, facts)),
    inputs: digests,
    ...(read.length > 0 ? { sources: Object.fromEntries(read) } : {}),
    ...(stage.random ? { seed } : {}),
    ...(stage.numerics ? { numerics: engine.numerics } : {})
  }
  const decided = stage.applies === undefined || unknown.length === 0
  return {
    applies: decided ? (stage.applies?.(step.params, facts) ?? { run: true, reason: "" }) : undefined,
    preimage,
    unknown
  }
}

/** What a stage has to do, as far as its inputs tell; undefined where it does not say, or what the environment gave would show. */
export const workOf = (step: PipelineStep, stage: Stage<any>, inputs: Knowledge["inputs"]): Work | undefined =>
  Object.keys(step.hidden).length > 0 ? undefined : stage.work?.(step.params, factsOf(inputs))

/** Which stage of a step makes an output. */
export const makerOf = (step: PipelineStep, output: string): Stage<any> => {
  const stage = step.definition.stages.find((candidate) => Object.hasOwn(candidate.outputs, output))
  if (stage === undefined) throw new Error(`step kind ${step.definition.kind}: no stage makes its output "${output}"`)
  return stage
}
