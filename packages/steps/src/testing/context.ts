import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { InputArtifact, InputSource, OutputArtifact, Progress, StageContext } from "@hone/core/Stage"
import { factsGiven } from "@hone/core/plan/StageKey"
import { portOf } from "@hone/core/plan/StageInputs"
import type { Stage, Step } from "@hone/core/Step"
import { Effect, Schema } from "effect"

/** A folder of its own for a test, removed by `dispose`. */
export interface Bench {
  readonly folder: string
  /** Where outputs of stages run here lie, by the SHA-256 of their bytes. */
  readonly blobs: Map<string, string>
  readonly dispose: () => void
}

export const makeBench = (): Bench => {
  const folder = mkdtempSync(join(tmpdir(), "hone-steps-"))
  return {
    folder,
    blobs: new Map(),
    dispose: () => rmSync(folder, { recursive: true, force: true })
  }
}

export interface RunOptions {
  /** As YAML would hold them: decoded by the step's own Schema, defaults filled in. */
  readonly with?: Readonly<Record<string, unknown>>
  readonly inputs?: Readonly<Record<string, InputArtifact>>
  readonly sources?: Readonly<Record<string, InputSource>>
  readonly seed?: number
  readonly engine?: StageContext["engine"]
  readonly checkpoints?: string
  /** The stage to run, where the step has several. */
  readonly stage?: string
  /** Called with each report; throwing ends the stage there, as a fault of its own would. */
  readonly onProgress?: (event: Progress) => void
}

export interface RunOutcome {
  /** Each output as a later stage reads it. */
  readonly outputs: Readonly<Record<string, InputArtifact>>
  /** Each output as the stage reported it: views and links too. */
  readonly reported: Readonly<Record<string, OutputArtifact>>
  readonly counts: Readonly<Record<string, unknown>>
  readonly warnings: ReadonlyArray<string>
  readonly progress: ReadonlyArray<Progress>
  readonly log: ReadonlyArray<string>
}

/** Runs the real stage of a step in a private folder, as the worker does, without runner, keys or store. */
export const runStage = (bench: Bench, step: Step, options: RunOptions = {}): Effect.Effect<RunOutcome, unknown> =>
  Effect.gen(function* () {
    const stage = step.stages.find(({ name }) => options.stage === undefined || name === options.stage)
    if (stage === undefined) throw new Error(`${step.kind} has no stage "${options.stage}"`)
    const params = Schema.decodeUnknownSync(step.params as Schema.Codec<unknown>)(options.with ?? {}, {
      onExcessProperty: "error"
    })
    const folder = mkdtempSync(join(bench.folder, `${step.kind}-`))
    const progress: Array<Progress> = []
    const log: Array<string> = []
    const context: StageContext = {
      params,
      inputs: asDeclared(stage, params, options.inputs ?? {}),
      sources: options.sources ?? {},
      folder,
      seed: options.seed ?? 0,
      engine: options.engine ?? noEngine,
      checkpoints: options.checkpoints,
      blobPath: (blob) => bench.blobs.get(blob) ?? join(bench.folder, "absent", blob),
      progress: (event) => {
        progress.push(event)
        options.onProgress?.(event)
      },
      log: (line) => void log.push(line)
    }
    const { run } = yield* Effect.promise(() => stage.run())
    const result = yield* run(context)
    const outputs = Object.fromEntries(
      Object.entries(result.outputs).map(([name, output]) => [name, keep(bench, folder, output)])
    )
    return {
      outputs,
      reported: result.outputs,
      counts: result.counts,
      warnings: result.warnings,
      progress,
      log
    }
  })

/** Inputs as the runner hands them to a stage: with the facts alone that it declares, and the name of the view that it hangs on. */
const asDeclared = (stage: Stage<any>, params: unknown, inputs: Readonly<Record<string, InputArtifact>>) =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, artifact]): [string, InputArtifact] => {
      const input = stage.inputs[portOf(name)]
      if (input === undefined) return [name, artifact]
      const view = input.view?.(params, artifact.facts)
      const facts = factsGiven(input, artifact.facts)
      return [name, { ...artifact, facts, ...(view === undefined ? {} : { view }) }]
    })
  )

/** A file as the runner hands it to a stage: resolved, with the digest of its bytes. */
export const sourceOf = (path: string, format: string): InputSource => ({
  path,
  format,
  digest: createHash("sha256").update(readFileSync(path)).digest("hex"),
  spec: path
})

/** Files an output that a test wrote itself, so that stages can read it. `folder` is where it was written. */
export const keep = (bench: Bench, folder: string, output: OutputArtifact): InputArtifact => {
  const path = join(folder, output.file)
  if (statSync(path).size !== output.bytes)
    throw new Error(`${output.file}: ${output.bytes} bytes reported, others written`)
  bench.blobs.set(output.blob, path)
  return {
    path,
    blob: output.blob,
    content: output.content,
    facts: output.facts as InputArtifact["facts"]
  }
}

/** A new folder within the bench. */
export const folderIn = (bench: Bench, name: string): string => {
  const folder = join(bench.folder, name)
  mkdirSync(folder, { recursive: true })
  return folder
}

const noEngine: StageContext["engine"] = {
  engine: "cpu",
  version: "none",
  library: null,
  addon: null,
  numerics: { class: "cpu", version: "none", dtype: "float32" },
  device: "cpu",
  threads: 1
}
