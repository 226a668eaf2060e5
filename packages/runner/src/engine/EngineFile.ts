import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { EngineChoice } from "@hone/core/Stage"

const interpreted = (engine: "wasm" | "webgpu" | "cpu", threads: number): EngineChoice => ({
  engine,
  version: "4.22.0",
  library: null,
  addon: null,
  numerics: { class: engine, version: "4.22.0", dtype: "float32" },
  device: engine === "webgpu" ? "gpu" : "cpu",
  threads
})

/** What set-up wrote, as `HONE_ENGINE` bends it; without set-up the interpreter on wasm, which needs nothing but npm's packages. */
export const readEngine = (ownFolder: string, env: NodeJS.ProcessEnv): EngineChoice => {
  const path = env["HONE_ENGINE_FILE"] ?? join(ownFolder, "node_modules", ".cache", "hone", "engine.json")
  let chosen: EngineChoice = interpreted("wasm", 1)
  try {
    const { addon, device, engine, library, numerics, threads, version } = JSON.parse(readFileSync(path, "utf8")) as EngineChoice
    chosen = { addon, device, engine, library, numerics, threads, version }
  } catch {
    // Set-up has not run: `hone doctor` says so.
  }
  const forced = env["HONE_ENGINE"]
  if (forced === undefined || forced === "" || forced === chosen.engine) return chosen
  if (forced === "wasm" || forced === "webgpu" || forced === "cpu") return interpreted(forced, chosen.threads)
  if (forced === "capi" && chosen.library !== null) return { ...chosen, engine: "capi" }
  if (forced === "session" && chosen.library !== null && chosen.addon !== null) return { ...chosen, engine: "session" }
  throw new Error(`HONE_ENGINE=${forced} cannot be had here: this set-up found ${chosen.engine}. \`hone doctor\` says why`)
}
