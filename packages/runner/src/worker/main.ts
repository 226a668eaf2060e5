import { flushCompileCache } from "node:module"
import { join } from "node:path"
import type { Progress, StageContext, StageResult } from "@hone/core/Stage"
import { StageError } from "@hone/core/Stage"
import { registry } from "@hone/steps"
import { Cause, Effect, Exit, Schema } from "effect"
import type { WorkerMessage } from "./Messages.ts"
import { StageRequest } from "./Messages.ts"
import { forgetPeak, peakSince } from "./peakMemory.ts"

// A worker must not outlive its runner: an orphan could do no harm to the store, but it would hold the machine.
process.on("disconnect", () => process.exit(0))
// Ctrl-C reaches the whole terminal: the runner decides when a worker ends.
process.on("SIGINT", () => {})

const send = (message: WorkerMessage): void => {
  if (process.connected) process.send!(message)
}

const progressMillis = 100

/** Passes on at most ten reports a second, and always the last. */
const throttled = (): ((progress: Progress) => void) => {
  let sent = 0
  return (progress) => {
    const now = Date.now()
    if (now - sent < progressMillis && progress.done !== progress.total) return
    sent = now
    const finite = Object.entries(progress.values ?? {}).filter(([, value]) => Number.isFinite(value))
    send({ type: "progress", progress: { ...progress, values: Object.fromEntries(finite) } })
  }
}

const contextOf = (request: StageRequest): StageContext => ({
  params: request.params,
  inputs: request.inputs as StageContext["inputs"],
  sources: request.sources,
  folder: request.folder,
  seed: request.seed,
  engine: request.engine,
  checkpoints: request.checkpoints ?? undefined,
  blobPath: (blob) => join(request.cas, blob.slice(0, 2), blob),
  progress: throttled(),
  log: (line) => send({ type: "log", line })
})

const failure = (cause: Cause.Cause<unknown>): WorkerMessage => {
  const error = Cause.squash(cause)
  if (error instanceof StageError) {
    return {
      type: "failed",
      code: error.code,
      message: error.message,
      hint: error.hint,
      ...(error.param === undefined ? {} : { param: error.param }),
      row_ids: error.row_ids ?? [],
      blob: error.blob ?? null,
      stack: null
    }
  }
  const known = error as {
    readonly _tag?: string
    readonly hint?: string
    readonly message?: string
    readonly stack?: string
  }
  const message = known.message ?? String(error)
  return {
    type: "failed",
    code: known._tag ?? "defect",
    message,
    hint: known.hint ?? "",
    row_ids: [],
    blob: null,
    stack: known.hint === undefined ? (known.stack ?? null) : null
  }
}

const answer = (exit: Exit.Exit<StageResult, unknown>, peak_rss_bytes: number | null): WorkerMessage => {
  if (Exit.isFailure(exit)) return failure(exit.cause)
  const { counts, outputs, uncached, warnings } = exit.value
  return { type: "done", outputs, counts, warnings, uncached: uncached ?? null, peak_rss_bytes }
}

let hasKept = false

/** A worker is ended by a signal, after which nothing is kept: so the compiled code of what its first stage loaded is kept at once. */
const keepCompiled = (): void => {
  if (!hasKept) flushCompileCache()
  hasKept = true
}

process.on("message", (raw) => {
  const forgot = forgetPeak()
  const work = Effect.gen(function* () {
    const request = yield* Schema.decodeUnknownEffect(StageRequest)(raw)
    const stage = registry[request.kind]?.stages.find((candidate) => candidate.name === request.stage)
    if (stage === undefined) throw new Error(`no stage ${request.kind}/${request.stage}`)
    const { run } = yield* Effect.promise(() => stage.run())
    return yield* run(contextOf(request))
  })
  const told = Effect.map(Effect.exit(work), (exit) => {
    send(answer(exit, peakSince(forgot)))
    keepCompiled()
  })
  void Effect.runPromise(told)
})
