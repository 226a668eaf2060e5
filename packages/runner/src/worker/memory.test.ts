import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterEach, assert, beforeEach, it } from "@effect/vitest"
import { Effect } from "effect"
import { freeMemory, residentBytes } from "./freeMemory.ts"
import type { StageRequest } from "./Messages.ts"
import { layer, Workers } from "./Workers.ts"

const MIB = 1024 ** 2

let root: string
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), "hone-memory-"))))
afterEach(() => rmSync(root, { recursive: true, force: true }))

const write = (path: string, text: string | number): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), `${text}\n`)
}

const machine = (available: number, total: number) =>
  write("proc/meminfo", `MemTotal: ${1024 * total} kB\nMemFree: 1 kB\nMemAvailable: ${1024 * available} kB`)

it("what is free is what the machine has, or the tightest control group above the process leaves", () => {
  assert.isUndefined(freeMemory(root))
  machine(900, 2000)
  assert.deepStrictEqual(freeMemory(root), { bytes: 900 * MIB, of: 2000 * MIB, owner: "machine" })
  write("proc/self/cgroup", "0::/pod/step")
  write("sys/fs/cgroup/pod/step/memory.max", "max")
  write("sys/fs/cgroup/pod/step/memory.current", 700 * MIB)
  assert.strictEqual(freeMemory(root)?.owner, "machine")
  write("sys/fs/cgroup/pod/memory.max", 1000 * MIB)
  write("sys/fs/cgroup/pod/memory.current", 950 * MIB)
  write("sys/fs/cgroup/pod/memory.stat", `anon 1\ninactive_file ${150 * MIB}\nactive_file ${50 * MIB}`)
  // What was read of files is let go for the asking.
  assert.deepStrictEqual(freeMemory(root), { bytes: 250 * MIB, of: 1000 * MIB, owner: "control group" })
  write("proc/self/cgroup", "4:memory:/job")
  write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", 500 * MIB)
  write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", 490 * MIB)
  assert.deepStrictEqual(freeMemory(root), { bytes: 10 * MIB, of: 500 * MIB, owner: "control group" })
  assert.isAbove(residentBytes(process.pid), 20 * MIB)
  assert.strictEqual(residentBytes(2 ** 30), 0)
})

const request: StageRequest = {
  kind: "train",
  stage: "fit",
  params: {},
  inputs: {},
  sources: {},
  folder: "",
  seed: 0,
  engine: {
    engine: "wasm",
    version: "1",
    library: null,
    addon: null,
    numerics: { class: "wasm", version: "1", dtype: "float32" },
    device: "cpu",
    threads: 1
  },
  checkpoints: null,
  cas: ""
}

it.live("the worker at work is ended when memory runs out, with what it held and what to make smaller", () =>
  Effect.gen(function* () {
    machine(900, 1000)
    // A worker that takes 64 MiB, says so, and never comes to an end.
    write(
      "worker.mjs",
      `process.on("message", () => {
        globalThis.held = Buffer.alloc(${64 * MIB}, 1)
        process.send({ type: "log", line: String(process.pid) })
        setInterval(() => {}, 1000)
      })`
    )
    let pid = 0
    const listener = {
      progress: () => {},
      log: (line: string) => {
        pid = Number(line)
        machine(20, 1000) // below 3 % of it
      }
    }
    const failure = yield* Effect.flip(
      Effect.provide(
        Effect.flatMap(Workers, (workers) => workers.run(request, listener)),
        layer(join(root, "worker.mjs"), root)
      )
    )
    assert.deepStrictEqual([failure.code, failure.param], ["out_of_memory", "batch_size"])
    assert.match(
      failure.message,
      /worker process held \d+ MiB, and of the machine's 1000 MiB no more than 20 MiB were left/u
    )
    assert.include(failure.hint, "a training goes on from its last checkpoint")
    assert.isAbove(pid, 0)
    assert.throws(() => process.kill(pid, 0), /ESRCH/u)
  })
)
