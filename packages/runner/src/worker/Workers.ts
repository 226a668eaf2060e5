import { fork } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { getCompileCacheDir } from "node:module"
import { dirname } from "node:path"
import { outOfMemory, type Progress } from "@hone/core/Stage"
import { Context, Effect, Layer, Result, Schema } from "effect"
import type { StageRequest } from "./Messages.ts"
import { type FreeMemory, freeMemory, residentBytes } from "./freeMemory.ts"
import { WorkerMessage } from "./Messages.ts"
import { peakOf } from "./peakMemory.ts"

export type Done = Extract<WorkerMessage, { type: "done" }>

/** A stage that did not come to a result: by its own word, or because its process ended. */
export class StageFailed extends Schema.TaggedError<StageFailed>()("StageFailed", {
  code: Schema.String,
  message: Schema.String,
  hint: Schema.String,
  /** The param that mends it, where there is one. */
  param: Schema.optionalKey(Schema.String),
  row_ids: Schema.Array(Schema.String),
  blob: Schema.NullOr(Schema.String),
  stack: Schema.NullOr(Schema.String),
  /** The most memory that its process was seen to hold; null where nobody looked. */
  peak_rss_bytes: Schema.NullOr(Schema.Int)
}) {}

export interface Listener {
  readonly progress: (progress: Progress) => void
  readonly log: (line: string) => void
}

/** Child processes that do the work of stages: a crash, an out-of-memory or a hung library ends a step, not the run. */
export class Workers extends Context.Service<
  Workers,
  { readonly run: (request: StageRequest, listener: Listener) => Effect.Effect<Done, StageFailed> }
>()("@hone/runner/Workers") {}

const graceMillis = 2000
/** Between two looks at the memory of a worker. */
const lookMillis = 200

/** TERM to the worker's process group, KILL to what is left of it after a grace. */
const end = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return resolve()
    const group = -child.pid
    const kill = (signal: NodeJS.Signals) => {
      try {
        process.kill(group, signal)
      } catch {
        // It is gone already.
      }
    }
    const timer = setTimeout(() => kill("SIGKILL"), graceMillis)
    child.once("exit", () => {
      clearTimeout(timer)
      resolve()
    })
    kill("SIGTERM")
  })

/** As V8, C++ and the C library say it on the way out. */
const OUT_OF_MEMORY = /out of memory|bad_alloc|cannot allocate memory|allocation failed/i

interface Told {
  readonly code: string
  readonly message: string
  readonly hint: string
  readonly param?: string
}

const failed = (told: Told, peak: number | null = null) =>
  new StageFailed({ ...told, row_ids: [], blob: null, stack: null, peak_rss_bytes: peak })

const died = (code: number | null, signal: string | null, tail: ReadonlyArray<string>, peak: number | null) => {
  const message =
    signal === null ? `the worker process exited with code ${code}` : `the worker process was ended by ${signal}`
  const complaint = tail.find((line) => OUT_OF_MEMORY.test(line))
  if (complaint !== undefined) return failed(outOfMemory(`${message}: ${complaint.trim()}`), peak)
  const hint =
    tail.length > 0
      ? `its last words: ${tail.slice(-3).join(" | ")}`
      : "run it again; if it fails again, `hone doctor` checks the engine"
  if (signal !== "SIGKILL") return failed({ code: "crashed", message, hint }, peak)
  return failed({ ...outOfMemory(`${message}: the system may have run out of memory`), code: "killed" }, peak)
}

/** What must stay free for the runner and the system to go on, bytes; and the share of all there is, where that is less. */
const FLOOR_BYTES = 256 * 1024 ** 2
const FLOOR_SHARE = 0.03

const floorOf = ({ of }: FreeMemory): number => Math.min(FLOOR_BYTES, FLOOR_SHARE * of)

const mib = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MiB`

const memoryRanOut = (held: number, { bytes, of, owner }: FreeMemory, peak: number | null) =>
  failed(
    outOfMemory(
      `memory ran out: the worker process held ${mib(held)}, and of the ${owner}'s ${mib(of)} no more than ${mib(Math.max(0, bytes))} were left, so it was ended before the system would end any`
    ),
    peak
  )

/** The system gave no process, no pipe, or took the pipe away. */
const notStarted = (error: Error) =>
  failed({
    code: "system_error",
    message: `the system refused a worker process: ${error.message}`,
    hint: "too many processes or files may be open (ulimit -u, ulimit -n): mend that and run again"
  })

const living = new Set<ChildProcess>()

/** KILL to every worker at once, for a user who will not wait. */
export const endAllNow = (): void => {
  for (const { pid } of living) {
    try {
      if (pid !== undefined) process.kill(-pid, "SIGKILL")
    } catch {
      // It is gone already.
    }
  }
}

const decodeMessage = Schema.decodeUnknownResult(WorkerMessage)

const lines = (child: ChildProcess, each: (line: string) => void): void => {
  for (const stream of [child.stdout, child.stderr]) {
    let rest = ""
    stream?.setEncoding("utf8").on("data", (chunk: string) => {
      const parts = (rest + chunk).split("\n")
      rest = parts.pop() ?? ""
      for (const part of parts) each(part)
    })
  }
}

interface Held {
  readonly child: ChildProcess
  line: (line: string) => void
}

/** Where the launcher keeps compiled code: without it each worker compiles its modules again, some 50 ms of processor time. */
const compileCache = getCompileCacheDir()
const compiled = compileCache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(compileCache) }

/** MiB. Rows die young: with V8's default of 16 a stage that streams them holds 130 MB more, and is no faster. */
const smallYoungGeneration = ["--max-semi-space-size=4"]

/**
 * Workers made by forking `entry`. Idle ones serve the next stage, so that an engine is loaded once; a failed one is not used again. Where
 * memory runs out, the worker that holds most of it is ended.
 *
 * @param root where /proc and /sys say what memory is left: tests have their own
 */
export const layer = (entry: string, root = "/"): Layer.Layer<Workers> =>
  Layer.effect(
    Workers,
    Effect.gen(function* () {
      const idle: Array<Held> = []
      const all = new Set<Held>()
      const busy = new Set<Held>()
      const residentOf = ({ child }: Held): number => residentBytes(child.pid ?? 0)

      /** What is left of memory, and what a worker holds, where too little is left and of those at work it holds most. */
      const shortage = (own: Held) => {
        const free = freeMemory(root)
        if (free === undefined || free.bytes >= floorOf(free)) return undefined
        const held = residentOf(own)
        // One that holds little has not taken what is missing.
        return held >= Math.max(floorOf(free), ...[...busy].map(residentOf)) ? { free, held } : undefined
      }

      const start = (): Held => {
        const child = fork(entry, [], {
          detached: true,
          stdio: ["ignore", "pipe", "pipe", "ipc"],
          execArgv: smallYoungGeneration,
          env: { ...process.env, ...compiled }
        })
        const held: Held = { child, line: () => {} }
        lines(child, (line) => held.line(line))
        all.add(held)
        living.add(child)
        child.once("exit", () => {
          all.delete(held)
          living.delete(child)
          const at = idle.indexOf(held)
          if (at >= 0) idle.splice(at, 1)
        })
        return held
      }

      yield* Effect.addFinalizer(() => Effect.promise(() => Promise.all([...all].map(({ child }) => end(child)))))

      const run = (request: StageRequest, listener: Listener): Effect.Effect<Done, StageFailed> =>
        Effect.callback<Done, StageFailed>((resume) => {
          const held = idle.pop() ?? start()
          const { child } = held
          // What the system kills for want of memory cannot be asked any more.
          let peak: number | null = null
          const look = () => void (peak = peakOf(child.pid!) ?? peak)
          const looking = setInterval(() => {
            look()
            const short = shortage(held)
            if (short === undefined) return
            settle(Effect.fail(memoryRanOut(short.held, short.free, peak)), false)
            void end(child)
          }, lookMillis)
          busy.add(held)
          const tail: Array<string> = []
          held.line = (line) => {
            // Frames of a native stack say nothing to anybody who has no debugger open.
            if (!/^\s*@\s+0x/u.test(line)) tail.push(line)
            if (tail.length > 20) tail.shift()
            listener.log(line)
          }
          const settle = (result: Effect.Effect<Done, StageFailed>, reuse: boolean) => {
            clearInterval(looking)
            busy.delete(held)
            child.off("message", onMessage)
            child.off("exit", onExit)
            child.off("error", onError)
            held.line = () => {}
            if (reuse) idle.push(held)
            resume(result)
          }
          const onExit = (code: number | null, signal: string | null) =>
            settle(Effect.fail(died(code, signal, tail, peak)), false)
          const onError = (error: Error) => settle(Effect.fail(notStarted(error)), false)
          const onMessage = (raw: unknown) => {
            const decoded = decodeMessage(raw)
            if (Result.isFailure(decoded)) return
            const message = decoded.success
            if (message.type === "progress") listener.progress(message.progress)
            else if (message.type === "log") listener.log(message.line)
            else if (message.type === "done") settle(Effect.succeed(message), true)
            else {
              const { type: _, ...fields } = message
              look()
              settle(Effect.fail(new StageFailed({ ...fields, peak_rss_bytes: peak })), false)
              void end(child)
            }
          }
          child.on("message", onMessage)
          child.on("exit", onExit)
          child.on("error", onError)
          child.send(request)
          return Effect.promise(() => {
            clearInterval(looking)
            busy.delete(held)
            child.off("message", onMessage)
            child.off("exit", onExit)
            child.off("error", onError)
            return end(child)
          })
        })

      return Workers.of({ run })
    })
  )
