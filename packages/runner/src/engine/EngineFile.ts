import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { EngineChoice } from "@hone/core/Stage"
import { Schema } from "effect"
import { gpuSettings } from "./GpuSettings.ts"

const interpreted = (engine: "wasm" | "webgpu" | "cpu", threads: number): EngineChoice => ({
  engine,
  version: "4.22.0",
  library: null,
  addon: null,
  numerics: { class: engine, version: "4.22.0", dtype: "float32" },
  device: engine === "webgpu" ? "gpu" : "cpu",
  threads
})

/** An engine was asked for that this set-up does not have, or a setting of it says nothing. */
export class EngineMissing extends Schema.TaggedError<EngineMissing>()("EngineMissing", {
  /** HONE_ENGINE, or that of the setting. */
  variable: Schema.String,
  problem: Schema.String,
  hint: Schema.String
}) {
  override get message() {
    return `${this.problem}\n  ${this.hint}`
  }
}

const missing = (wanted: string, found: string) =>
  new EngineMissing({
    variable: "HONE_ENGINE",
    problem: `HONE_ENGINE=${wanted} cannot be had here: set-up found ${found}`,
    hint: "`hone doctor` says why, and how to mend it"
  })

/** What set-up wrote, as HONE_ENGINE bends it; without set-up the interpreter on wasm, which needs nothing but npm's packages. */
const chosenEngine = (ownFolder: string, env: NodeJS.ProcessEnv): EngineChoice | EngineMissing => {
  const path = env["HONE_ENGINE_FILE"] ?? join(ownFolder, "node_modules", ".cache", "hone", "engine.json")
  let chosen: EngineChoice = interpreted("wasm", 1)
  try {
    const { addon, device, engine, library, numerics, threads, version } = JSON.parse(
      readFileSync(path, "utf8")
    ) as EngineChoice
    chosen = { addon, device, engine, library, numerics, threads, version }
  } catch {
    // Set-up has not run: `hone doctor` says so.
  }
  const forced = env["HONE_ENGINE"]
  if (forced === undefined || forced === "" || forced === chosen.engine) return chosen
  if (forced === "wasm" || forced === "webgpu" || forced === "cpu") return interpreted(forced, chosen.threads)
  if (forced === "capi" && chosen.library !== null) return { ...chosen, engine: "capi" }
  if (forced === "session" && chosen.library !== null && chosen.addon !== null) return { ...chosen, engine: "session" }
  return missing(forced, chosen.engine)
}

/** The engine of this command, and how it takes GPUs. What the addon has no way to be told is told through the C API: the numbers are the same. */
export const readEngine = (ownFolder: string, env: NodeJS.ProcessEnv): EngineChoice | EngineMissing => {
  const chosen = chosenEngine(ownFolder, env)
  if (chosen instanceof EngineMissing || chosen.library === null) return chosen
  const gpu = gpuSettings(env)
  if ("variable" in gpu) {
    const { hint, value, variable } = gpu
    return new EngineMissing({ variable, problem: `${variable}=${value} says nothing`, hint })
  }
  const { numerics } = chosen
  const tf32 = numerics.class === "tensorflow-cuda" ? { numerics: { ...numerics, tf32: gpu.tf32 ?? true } } : {}
  const isForced = env["HONE_ENGINE"] === "session"
  const engine = chosen.engine === "session" && gpu.memory_fraction !== undefined && !isForced ? "capi" : chosen.engine
  return { ...chosen, ...tf32, engine, ...(Object.keys(gpu).length === 0 ? {} : { gpu }) }
}
