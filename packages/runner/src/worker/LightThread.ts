import { Worker } from "node:worker_threads"
import type { StageRequest, WorkerMessage } from "./Messages.ts"

/** How long a light stage may take, in milliseconds: a hundred times what small inputs need. */
const lightMillis = 5000

/** MiB. Small inputs need a tenth; what needs more is no light stage, and gets a process of its own. */
const resourceLimits = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 16 }

/** What a light stage said last, or that the thread could not bring it to an end: what it left in its folder does not count. */
export type ThreadEnd = Extract<WorkerMessage, { type: "done" | "failed" }> | { readonly type: "given_up" }

interface Asked {
  readonly request: StageRequest
  readonly tell: (message: WorkerMessage) => void
  readonly resume: (end: ThreadEnd) => void
}

/**
 * A thread of this process that does the work of light stages, one after the other: a process of its own would cost a hundred times
 * what they do. A stage that hangs, or asks for more memory than a light one may, is given up and the thread ended, so that neither
 * takes the runner along; the next stage gets a new one.
 */
export class LightThread {
  readonly #entry: string
  readonly #limitMillis: number
  #thread: Worker | undefined
  readonly #waiting: Array<Asked> = []
  #current: Asked | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(entry: string, limitMillis = lightMillis) {
    this.#entry = entry
    this.#limitMillis = limitMillis
  }

  /** Gives a way to take the request back: the thread is ended where it is at work on it. */
  run(request: StageRequest, tell: Asked["tell"], resume: Asked["resume"]): () => Promise<void> {
    const asked = { request, tell, resume }
    this.#waiting.push(asked)
    this.#next()
    return async () => {
      const at = this.#waiting.indexOf(asked)
      if (at >= 0) this.#waiting.splice(at, 1)
      else if (this.#current === asked) await this.#abandon()
    }
  }

  async end(): Promise<void> {
    this.#waiting.length = 0
    await this.#abandon()
  }

  #next(): void {
    if (this.#current !== undefined) return
    const next = this.#waiting.shift()
    if (next === undefined) return this.#thread?.unref()
    this.#current = next
    this.#thread ??= this.#start()
    this.#thread.ref()
    this.#timer = setTimeout(() => this.#giveUp(this.#thread), this.#limitMillis)
    this.#thread.postMessage(next.request, [])
  }

  #start(): Worker {
    const thread = new Worker(this.#entry, { resourceLimits, stdout: true, stderr: true })
    for (const stream of [thread.stdout, thread.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        for (const line of text.trimEnd().split("\n")) this.#current?.tell({ type: "log", line })
      })
    }
    thread.on("message", (message: WorkerMessage) => {
      if (thread !== this.#thread) return
      if (message.type === "done" || message.type === "failed") this.#settle(message)
      else this.#current?.tell(message)
    })
    // Out of memory, or a mistake of ours outside of any stage: in either case it is gone.
    thread.on("error", () => this.#giveUp(thread))
    thread.on("exit", () => this.#giveUp(thread))
    return thread
  }

  #settle(end: ThreadEnd): void {
    clearTimeout(this.#timer)
    const settled = this.#current
    this.#current = undefined
    this.#next()
    settled?.resume(end)
  }

  #giveUp(thread: Worker | undefined): void {
    if (thread === undefined || thread !== this.#thread) return
    void this.#endThread().then(() => this.#settle({ type: "given_up" }))
  }

  /** The stage at work is nobody's any more. */
  async #abandon(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#endThread()
    this.#current = undefined
    this.#next()
  }

  /** Waits for the thread to stand still: until then it may write. */
  async #endThread(): Promise<void> {
    const thread = this.#thread
    this.#thread = undefined
    await thread?.terminate()
  }
}
