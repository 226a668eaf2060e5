import { dirname, join, relative, resolve } from "node:path"
import { faultsJson } from "@hone/core/Contract"
import { PipelineFaults } from "@hone/core/Fault"
import { readPipeline } from "@hone/core/file/Decode"
import type { ReadInclude } from "@hone/core/file/Include"
import { suggest } from "@hone/core/file/Suggest"
import type { Plan } from "@hone/core/plan/Plan"
import { plan } from "@hone/core/plan/Plan"
import { prepare, withFurtherFaults } from "@hone/core/plan/Prepare"
import { Engine } from "@hone/core/Services"
import { registry } from "@hone/steps"
import { Effect, Layer } from "effect"
import { EngineMissing, readEngine } from "../engine/EngineFile.ts"
import * as Implementations from "../engine/Implementations.ts"
import * as Sources from "../sources/Sources.ts"
import { homeOf, storeFolder } from "../store/Folder.ts"
import * as RecordIndex from "../store/RecordIndex.ts"
import { saltedDigest } from "../store/Salt.ts"
import { readLastKeys } from "../store/Runs.ts"
import { Exit } from "./Exit.ts"
import { printError, printJson } from "./Output.ts"
import { readPipelineFile } from "./PipelineFile.ts"
import { bundleFolder, ownFolder } from "./Places.ts"
import { tellProgress } from "./Progress.ts"

export interface FileOptions {
  readonly file: string
  readonly sets: ReadonlyArray<string>
  readonly json: boolean
}

export const displayed = (file: string): string => {
  const path = relative(process.cwd(), resolve(file))
  return path === "" || path.startsWith("..") ? resolve(file) : path
}

/** Prints faults as text, or as one JSON object, and asks for exit code 2. */
export const reportFaults = (error: PipelineFaults, json: boolean): Effect.Effect<never, Exit> =>
  Effect.suspend(() => {
    if (json) printJson(faultsJson(error.faults))
    else printError(error.message)
    return Effect.fail(new Exit({ code: 2 }))
  })

const readInclude: ReadInclude = (spec, from) => {
  const path = resolve(dirname(from), spec)
  try {
    return { file: displayed(path), text: readPipelineFile(path) }
  } catch (error) {
    return {
      problem: (error as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : (error as Error).message
    }
  }
}

/** The text of a pipeline or sweep file, and what it may take from its surroundings. */
export const reading = ({ file, sets }: Pick<FileOptions, "file" | "sets">) =>
  Effect.try({
    try: () => ({
      file: displayed(file),
      text: readPipelineFile(file),
      sets,
      env: process.env,
      digest: saltedDigest(storeFolder(homeOf(file))),
      readInclude
    }),
    catch: (error) => {
      const missing = (error as NodeJS.ErrnoException).code === "ENOENT"
      const message = missing ? "there is no such file" : `the file cannot be read: ${(error as Error).message}`
      const hint = missing ? "name a pipeline file, for example pipelines/sentiment.yaml" : ""
      return new PipelineFaults({
        faults: [{ file, line: 1, column: 1, length: 1, code: "file", message, hint }],
        texts: {}
      })
    }
  })

/** The services behind one pipeline file. */
export const servicesFor = (file: string) => {
  const folder = storeFolder(homeOf(file))
  return {
    folder,
    layer: Layer.mergeAll(
      RecordIndex.layer(folder),
      Sources.layer(folder, file, ownFolder(), tellProgress),
      Implementations.layer(join(bundleFolder(), "implementation.json")),
      Layer.effect(
        Engine,
        Effect.suspend(() => {
          const engine = readEngine(ownFolder(), process.env)
          return engine instanceof EngineMissing ? Effect.fail(engine) : Effect.succeed(Engine.of(engine))
        })
      )
    )
  }
}

/** The file read, decoded, its sources found, its types checked and its plan made; faults are printed. */
export const loadPlan = Effect.fn("load")(function* (options: FileOptions) {
  const { folder, layer } = servicesFor(options.file)
  const work = Effect.gen(function* () {
    const text = yield* reading(options)
    const reader = readPipeline(text, registry)
    const pipeline = reader.decode()
    if (pipeline instanceof PipelineFaults) {
      const sound = reader.sound()
      return yield* sound === undefined ? pipeline : yield* withFurtherFaults(pipeline, sound)
    }
    const prepared = yield* prepare(pipeline)
    const last = readLastKeys(folder, options.file)
    const planned = yield* plan(prepared, last)
    return { folder, layer, pipeline, prepared, last, planned }
  })
  return yield* work.pipe(
    Effect.provide(layer),
    Effect.catchTag("PipelineFaults", (error) => reportFaults(error, options.json)),
    Effect.catchTag("EngineMissing", (error) => reportMissingEngine(error, options.json))
  )
})

export const reportMissingEngine = (
  { hint, problem: message, variable }: EngineMissing,
  json: boolean
): Effect.Effect<never, Exit> => {
  const fault = { file: variable, line: 1, column: 1, length: 1, code: "engine", message, hint }
  return reportFaults(new PipelineFaults({ faults: [fault], texts: {} }), json)
}

export type Loaded = Effect.Success<ReturnType<typeof loadPlan>>

/** A verb was asked about a step that the file does not have. */
export const unknownStep = (file: string, name: string, plan: Plan, json: boolean): Effect.Effect<never, Exit> => {
  const hint = suggest(
    name,
    plan.steps.map((step) => step.name)
  )
  const fault = {
    file: displayed(file),
    line: 1,
    column: 1,
    length: 1,
    code: "unknown_step",
    message: `no step is called \`${name}\``,
    hint
  }
  return reportFaults(new PipelineFaults({ faults: [fault], texts: {} }), json)
}
