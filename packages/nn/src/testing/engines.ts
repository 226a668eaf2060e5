import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { GpuOptions } from "../engines/configProto.ts"
import type { Engine, EngineName } from "../engines/Engine.ts"
import { openEngine } from "../engines/openEngine.ts"
import type { TensorflowLocation } from "../engines/tensorflowLibrary.ts"

interface EngineFile {
  readonly library: string | null
  readonly addon: string | null
}

/** What set-up found, in the file that it writes. */
function installed(): EngineFile {
  const path =
    process.env["HONE_ENGINE_FILE"] ??
    fileURLToPath(new URL("../../../../node_modules/.cache/hone/engine.json", import.meta.url))
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as EngineFile) : { library: null, addon: null }
}

const { addon, library } = installed()
const tensorflow: TensorflowLocation | undefined = library === null ? undefined : { library, addon: addon ?? undefined }

/** The engines on TensorFlow that this machine has; a line is printed for those that tests leave out. */
export const nativeEngines: ReadonlyArray<EngineName> =
  library === null ? [] : addon === null ? ["capi"] : ["session", "capi"]
if (nativeEngines.length < 2)
  console.log(`skipped: tests on ${library === null ? "session and capi" : "session"}, which set-up has not made ready`)

/** The fastest engine that this machine has. */
export const fastestEngine: EngineName = nativeEngines[0] ?? "wasm"

export const openForTest = (engine: EngineName, gpu?: GpuOptions): Promise<Engine> =>
  openEngine({ engine, tensorflow, gpu })
