// The thread of the runner that does the work of light stages, see `LightThread`.
import { parentPort } from "node:worker_threads"
import { Effect } from "effect"
import type { StageRequest, WorkerMessage } from "./Messages.ts"
import { perform } from "./perform.ts"

const send = (message: WorkerMessage): void => parentPort!.postMessage(message, [])

// The same code on both sides, and no text between them: there is nothing to decode. Memory is the whole process's, and not told.
parentPort!.on("message", (request: StageRequest) => void perform(Effect.succeed(request), send, () => null))
