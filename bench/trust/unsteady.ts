// Preloaded into Hone's workers for an experiment: every stage gets a seed by chance, as if it drew from something that no key knows.
import { isMainThread, parentPort } from "node:worker_threads"

const byChance = (request: unknown) => ({ ...(request as object), seed: Math.floor(Math.random() * 2 ** 31) })

type Emit = (name: string, ...args: ReadonlyArray<unknown>) => boolean
type On = (name: string, listener: (message: unknown) => void) => unknown

/** A light stage is asked for by a message to a thread of the runner. */
const unsettleThread = (): void => {
  const on = parentPort!.on.bind(parentPort!) as On
  const listen: On = (name, listener) =>
    on(name, name === "message" ? (request) => listener(byChance(request)) : listener)
  Object.assign(parentPort!, { on: listen })
}

/** Any other, by a message to a process. */
const unsettleProcess = (): void => {
  const emit = process.emit.bind(process) as Emit
  const unsteady: Emit = (name, ...args) => {
    const [request, ...rest] = args
    return name === "message" ? emit(name, byChance(request), ...rest) : emit(name, ...args)
  }
  Object.assign(process, { emit: unsteady })
}

if (!isMainThread) unsettleThread()
else if (process.argv[1]?.endsWith("worker.mjs") === true) unsettleProcess()
