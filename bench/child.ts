import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"

/** A program that answers each line of JSON on its standard input by one on its standard output. */
export class Child {
  readonly #process: ChildProcess
  readonly #waiting: Array<{ readonly resolve: (line: string) => void; readonly reject: (error: Error) => void }> = []
  readonly #words: Array<string> = []
  readonly #name: string

  constructor(command: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) {
    this.#name = [command, ...args].join(" ")
    this.#process = spawn(command, [...args], { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] })
    createInterface({ input: this.#process.stdout! }).on("line", (line) => this.#waiting.shift()?.resolve(line))
    createInterface({ input: this.#process.stderr! }).on("line", (line) => {
      this.#words.push(line)
      if (this.#words.length > 20) this.#words.shift()
    })
    this.#process.once("error", (error) => this.#fail(error.message))
    this.#process.once("exit", (code, signal) => this.#fail(`ended by ${signal ?? `exit code ${code}`}`))
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** Rejects when the program ends before it answers, with its last words. */
  async ask<A>(request: unknown): Promise<A> {
    const answer = new Promise<string>((resolve, reject) => this.#waiting.push({ resolve, reject }))
    this.#process.stdin!.write(`${JSON.stringify(request)}\n`)
    return JSON.parse(await answer) as A
  }

  close(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return Promise.resolve()
    return new Promise((resolve) => {
      this.#process.once("exit", () => resolve())
      this.#process.stdin!.end()
    })
  }

  #fail(how: string): void {
    const error = new Error(`${this.#name}: ${how}\n${this.#words.join("\n")}`)
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
