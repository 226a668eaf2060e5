import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { EngineChoice } from "@hone/core/Stage"
import { Schema } from "effect"

const interpreted = (engine: "wasm" | "webgpu" | "cpu", threads: number): EngineChoice => ({
  engine,
  version: "4.22.0",
  library: null,
  addon: null,
  numerics: { class: engine, version: "4.22.0", dtype: "float32" },
  device: engine === "webgpu" ? "gpu" : "cpu",
  threads
})

/** An engine was asked for that this set-up does not have. */
export class EngineMissing extends Schema.TaggedError<EngineMissing>()("EngineMissing", {
  wanted: Schema.String,
  found: Schema.String
}) {
  override get message() {
    return `HONE_ENGINE=${this.wanted} cannot be had here: set-up found ${this.found}\n  \`hone doctor\` says why, and how to mend it`
  }
}

/** What set-up wrote, as `HONE_ENGINE` bends it; without set-up the interpreter on wasm, which needs nothing but npm's packages. */
export const readEngine = (ownFolder: string, env: NodeJS.ProcessEnv): EngineChoice | EngineMissing => {
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
  return new EngineMissing({ wanted: forced, found: chosen.engine })
}
