import { flushCompileCache } from "node:module"
import { Schema } from "effect"
import type { WorkerMessage } from "./Messages.ts"
import { StageRequest } from "./Messages.ts"
import { forgetPeak, peakSince } from "./peakMemory.ts"
import { perform } from "./perform.ts"

// A worker must not outlive its runner: an orphan could do no harm to the store, but it would hold the machine.
process.on("disconnect", () => process.exit(0))
// Ctrl-C reaches the whole terminal: the runner decides when a worker ends.
process.on("SIGINT", () => {})

const send = (message: WorkerMessage): void => {
  if (process.connected) process.send!(message)
}

let hasKept = false

/** A worker is ended by a signal, after which nothing is kept: so the compiled code of what its first stage loaded is kept at once. */
const keepCompiled = (): void => {
  if (!hasKept) flushCompileCache()
  hasKept = true
}

const decodeRequest = Schema.decodeUnknownEffect(StageRequest)

process.on("message", (raw) => {
  const forgot = forgetPeak()
  void perform(decodeRequest(raw), send, () => peakSince(forgot)).then(keepCompiled)
})
