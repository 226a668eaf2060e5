import { isRecord } from "@hone/core/Json"
import { dirname, resolve } from "node:path"
import { PipelineFaults, sortFaults } from "@hone/core/Fault"
import { readPipeline } from "@hone/core/file/Decode"
import { parseText } from "@hone/core/file/Document"
import { makeFaultList } from "@hone/core/file/FaultList"
import { prepare } from "@hone/core/plan/Prepare"
import { checkFit } from "@hone/core/sweep/checkMetrics"
import { decodeSweep } from "@hone/core/sweep/decodeSweep"
import { searchedBy, type SweepOption, sweepText } from "@hone/core/sweep/SweepText"
import { registry } from "@hone/steps"
import { Effect, Layer } from "effect"
import { readLastKeys } from "../../store/Runs.ts"
import { emptyMemo, remembering, type Trials } from "../../sweep/Trials.ts"
import { openLog } from "../../sweep/TrialLog.ts"
import { reading, reportFaults, reportMissingEngine, servicesFor } from "../Load.ts"

export interface SweepFileOptions {
  readonly file: string
  readonly sets: ReadonlyArray<string>
  /** What the command line says over the file's block. */
  readonly options: ReadonlyArray<SweepOption>
  readonly json: boolean
}

/** The sweep's file read: in a file of its own, or under `sweep:` of the pipeline. */
const readBlock = Effect.fnUntraced(function* ({ file, options, sets }: SweepFileOptions) {
  const source = yield* reading({ file, sets: [] })
  const parsed = parseText(source.file, source.text)
  if (parsed.document === undefined)
    return yield* new PipelineFaults({ faults: parsed.faults, texts: { [source.file]: source.text } })
  const { document } = parsed
  const searched = sets.flatMap((set) => searchedBy(set) ?? [])
  const named = isRecord(document.value) ? document.value["pipeline"] : undefined
  const isOwn = typeof named === "string"
  return {
    text: sweepText(document, isOwn ? [] : ["sweep"], [...searched, ...options]),
    pipelineFile: isOwn ? resolve(dirname(file), named) : file,
    file: source.file
  }
})

/** A sweep without faults, and all that running or showing it takes; faults are printed. */
export const loadSweep = Effect.fn("load sweep")(function* (asked: SweepFileOptions) {
  const work = Effect.gen(function* () {
    const { file, pipelineFile, text } = yield* readBlock(asked)
    const plain = asked.sets.filter((set) => searchedBy(set) === undefined)
    const source = yield* reading({ file: pipelineFile, sets: plain })
    const reader = readPipeline(source, registry)
    const sweep = decodeSweep(reader, text, file)
    if (sweep instanceof PipelineFaults) return yield* sweep
    const { folder, layer } = servicesFor(pipelineFile)
    const memo = emptyMemo()
    const services = Layer.provideMerge(remembering(memo), layer)
    const pipeline = reader.decode()
    if (pipeline instanceof PipelineFaults) return yield* pipeline
    yield* Effect.gen(function* () {
      const { types } = yield* prepare(pipeline)
      const faults = makeFaultList(text.place, [])
      checkFit(
        sweep.prune === null ? [sweep.objective] : [sweep.objective, sweep.prune.metric],
        pipeline,
        types,
        faults
      )
      if (faults.list.length > 0)
        return yield* new PipelineFaults({ faults: sortFaults(faults.list, file), texts: text.texts })
    }).pipe(Effect.provide(services))
    const trials: Trials = { reader, sweep, last: readLastKeys(folder, pipelineFile), memo }
    const log = openLog(folder, asked.file)
    return { folder, services, trials, sweep, pipeline, pipelineFile, file, log, block: text.block }
  })
  return yield* work.pipe(
    Effect.catchTag("PipelineFaults", (error) => reportFaults(error, asked.json)),
    Effect.catchTag("EngineMissing", (error) => reportMissingEngine(error, asked.json))
  )
})

export type LoadedSweep = Effect.Success<ReturnType<typeof loadSweep>>
