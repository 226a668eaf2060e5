import type { GpuOptions } from "./configProto.ts"
import { type Engine, type EngineName, EngineUnavailable } from "./Engine.ts"
import type { TensorflowLocation } from "./tensorflowLibrary.ts"

export interface EngineOptions {
  readonly engine: EngineName
  /** Needed by `session` and `capi`; `session` also needs the addon. */
  readonly tensorflow?: TensorflowLocation | undefined
  /** Default: one for each core. Native engines take it when they are first loaded in a process; the others have one thread. */
  readonly threads?: number | undefined
  /** Read by `session` and `capi` when TensorFlow is first loaded in a process; `memory_fraction` by `capi` alone. */
  readonly gpu?: GpuOptions | undefined
}

/** Makes an engine ready. Only what the engine needs is loaded. Fails with EngineUnavailable. */
export async function openEngine({ engine, gpu, tensorflow, threads }: EngineOptions): Promise<Engine> {
  if (engine === "wasm" || engine === "cpu" || engine === "webgpu")
    return (await import("./interpreter/interpreter.ts")).interpreterEngine(engine)
  if (tensorflow === undefined) throw new EngineUnavailable(engine, "no TensorFlow library is set up")
  if (engine === "capi") return (await import("./capi.ts")).capiEngine(tensorflow, { gpu, threads })
  return (await import("./session.ts")).sessionEngine(tensorflow, { gpu, threads })
}
