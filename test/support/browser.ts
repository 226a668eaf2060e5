import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"

/** A Chromium that is installed here; undefined where there is none. */
export const findBrowser = (): string | undefined =>
  ["chromium", "chromium-browser", "google-chrome"].find((name) => spawnSync(name, ["--version"]).status === 0)

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: Record<string, any>
  readonly result?: Record<string, any>
  readonly error?: { readonly message: string }
}

/** One page of a headless Chromium, driven by its DevTools protocol over Node's own WebSocket. */
export class Page {
  /** Addresses that the page asked for, and what it wrote to the console as an error or threw. */
  readonly requested: Array<string> = []
  readonly complaints: Array<string> = []
  readonly #process: ChildProcess
  readonly #profile: string
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (message: Message) => void>()
  #last = 0

  private constructor(process: ChildProcess, profile: string, socket: WebSocket) {
    this.#process = process
    this.#profile = profile
    this.#socket = socket
    socket.addEventListener("message", ({ data }) => this.#receive(JSON.parse(String(data)) as Message))
  }

  static async open(browser: string): Promise<Page> {
    const profile = mkdtempSync(join(tmpdir(), "hone-browser-"))
    const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run"]
    const child = spawn(browser, [...flags, `--user-data-dir=${profile}`, "about:blank"], {
      stdio: ["ignore", "ignore", "pipe"]
    })
    const port = await new Promise<string>((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`${browser} ended with code ${code}`)))
      createInterface({ input: child.stderr }).on("line", (line) => {
        const [, port] = /DevTools listening on ws:\/\/[^:]+:(\d+)/u.exec(line) ?? []
        if (port !== undefined) resolve(port)
      })
    })
    const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as ReadonlyArray<{
      readonly type: string
      readonly webSocketDebuggerUrl: string
    }>
    const socket = new WebSocket(targets.find(({ type }) => type === "page")!.webSocketDebuggerUrl)
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve)
      socket.addEventListener("error", reject)
    })
    const page = new Page(child, profile, socket)
    for (const domain of ["Page", "Runtime", "Network", "Log"]) await page.send(`${domain}.enable`)
    return page
  }

  async send(method: string, params: object = {}): Promise<Record<string, any>> {
    const id = ++this.#last
    const answer = new Promise<Message>((resolve) => this.#waiting.set(id, resolve))
    this.#socket.send(JSON.stringify({ id, method, params }))
    const { error, result } = await answer
    if (error !== undefined) throw new Error(`${method}: ${error.message}`)
    return result!
  }

  /** Loads an address in a window of a size, in CSS pixels. */
  async visit(url: string, size: { readonly width: number; readonly height: number }): Promise<void> {
    await this.resize(size)
    await this.send("Page.navigate", { url })
    await this.evaluate(
      "new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', done))"
    )
    await this.settle()
  }

  async resize({ height, width }: { readonly width: number; readonly height: number }): Promise<void> {
    await this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false })
    await this.settle()
  }

  /** Until what was observed and drawn in the last frames is there. */
  async settle(): Promise<void> {
    await this.evaluate(
      "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 100))))"
    )
  }

  async evaluate<A>(expression: string): Promise<A> {
    const { exceptionDetails, result } = await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true
    })
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails))
    return result.value as A
  }

  /** A PNG of the whole page. */
  async screenshot(): Promise<Buffer> {
    const { data } = await this.send("Page.captureScreenshot", { captureBeyondViewport: true })
    return Buffer.from(data as string, "base64")
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve))
    this.#process.kill()
    await ended
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 })
  }

  #receive({ id, method, params, ...answer }: Message): void {
    if (id !== undefined) return void this.#waiting.get(id)?.(answer)
    if (method === "Network.requestWillBeSent") this.requested.push(params!["request"].url)
    if (method === "Runtime.exceptionThrown") this.complaints.push(JSON.stringify(params!["exceptionDetails"]))
    if (method === "Log.entryAdded" && params!["entry"].level === "error") this.complaints.push(params!["entry"].text)
  }
}
