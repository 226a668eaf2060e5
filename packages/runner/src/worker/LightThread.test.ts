import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest"
import type { ThreadEnd } from "./LightThread.ts"
import { LightThread } from "./LightThread.ts"
import type { StageRequest, WorkerMessage } from "./Messages.ts"

const folder = mkdtempSync(join(tmpdir(), "hone-thread-"))
const entry = join(folder, "thread.mjs")
// Stages by kind: what a real one could do to the thread that it runs on.
writeFileSync(
  entry,
  `import { parentPort, threadId } from "node:worker_threads"
const done = { type: "done", outputs: {}, counts: { threadId }, warnings: [], uncached: null, peak_rss_bytes: null }
const kinds = {
  quick: () => parentPort.postMessage(done),
  says: () => { parentPort.postMessage({ type: "log", line: "half way" }); parentPort.postMessage(done) },
  hangs: () => { for (;;); },
  eats: () => { const all = []; for (;;) all.push(new Array(10_000).fill({})) },
  leaves: () => process.exit(3),
  throws: () => setImmediate(() => { throw new Error("outside of everything") })
}
parentPort.on("message", ({ kind }) => kinds[kind]())
`
)
afterAll(() => rmSync(folder, { recursive: true }))

let thread: LightThread
beforeEach(() => {
  thread = new LightThread(entry, 1500)
})
afterEach(() => thread.end())

const run = (kind: string, tell: (message: WorkerMessage) => void = () => {}): Promise<ThreadEnd> =>
  new Promise((resolve) => void thread.run({ kind } as StageRequest, tell, resolve))

describe("a thread for light stages", () => {
  it("does one after the other, and passes on what they say", async () => {
    const said: Array<WorkerMessage> = []
    const ends = await Promise.all([run("quick"), run("says", (message) => said.push(message)), run("quick")])
    expect(ends.map(({ type }) => type)).toEqual(["done", "done", "done"])
    expect(new Set(ends.map((end) => end.type === "done" && end.counts["threadId"])).size).toBe(1)
    expect(said).toEqual([{ type: "log", line: "half way" }])
  })

  it.each(["hangs", "eats", "leaves", "throws"])("gives up a stage that %s, and does the next ones", async (kind) => {
    const ends = await Promise.all([run(kind), run("quick"), run("quick")])
    expect(ends.map(({ type }) => type)).toEqual(["given_up", "done", "done"])
  })

  it("ends a stage that is taken back, and leaves those that wait", async () => {
    const takeBack = thread.run(
      { kind: "hangs" } as StageRequest,
      () => {},
      () => expect.unreachable()
    )
    const after = run("quick")
    await takeBack()
    expect((await after).type).toBe("done")
  })
})
