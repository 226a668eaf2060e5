import { existsSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { gpuEnvironment, type SessionConfig } from "./configProto.ts"
import { EngineUnavailable, type EngineName, type Numerics } from "./Engine.ts"

/** Where TensorFlow lies: a folder with libtensorflow_cc.so.2 and libtensorflow_framework.so.2, and the built addon. */
export interface TensorflowLocation {
  readonly library: string
  readonly addon?: string | undefined
}

export type Koffi = (typeof import("koffi"))["default"]
export type KoffiLibrary = ReturnType<Koffi["load"]>

interface LoadedTensorflow {
  readonly path: string
  readonly library: KoffiLibrary
  readonly koffi: Koffi
}

let loaded: LoadedTensorflow | undefined

/**
 * Loads TensorFlow once for the life of the process; it cannot be unloaded, and a second one beside it would clash.
 *
 * Its settings are environment variables that it reads as it loads, so they are set here, and only where the user has not.
 * oneDNN is off by default on some CPUs, where it is worth a quarter of the time.
 */
export async function loadTensorflow(
  engine: EngineName,
  { library }: TensorflowLocation,
  { gpu, threads }: SessionConfig
): Promise<LoadedTensorflow> {
  const path = join(library, "libtensorflow_cc.so.2")
  if (!existsSync(path)) throw new EngineUnavailable(engine, `${path} does not exist`)
  if (loaded !== undefined) {
    if (loaded.path !== path) throw new EngineUnavailable(engine, `this process has already loaded ${loaded.path}`)
    return loaded
  }
  const count = String(threads ?? availableParallelism())
  process.env["TF_ENABLE_ONEDNN_OPTS"] ??= "1"
  process.env["TF_NUM_INTRAOP_THREADS"] ??= count
  process.env["TF_NUM_INTEROP_THREADS"] ??= count
  for (const [name, value] of Object.entries(gpuEnvironment(gpu ?? {}, engine === "capi"))) process.env[name] ??= value
  // Not what the user has set otherwise: results are kept under a key that says so.
  if (gpu?.tf32 === false) process.env["NVIDIA_TF32_OVERRIDE"] = "0"
  process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "2"
  const { default: koffi } = await import("koffi")
  try {
    loaded = { path, library: withoutStderr(koffi, () => koffi.load(path)), koffi }
  } catch (cause) {
    throw new EngineUnavailable(engine, `${path} does not load: ${(cause as Error).message}`, { cause })
  }
  return loaded
}

/**
 * Where the loaded library computes: it takes a GPU wherever it finds one.
 * @param config ConfigProto: a process's first session decides how it takes its GPUs, and this one is
 */
export function tensorflowNumerics(library: KoffiLibrary, config: Uint8Array): Numerics {
  const f = (signature: string) => library.func(signature)
  const version = f("const char* TF_Version()")() as string
  const status: object = f("void* TF_NewStatus()")()
  const graph: object = f("void* TF_NewGraph()")()
  const options: object = f("void* TF_NewSessionOptions()")()
  f("void TF_SetConfig(void* options, const uint8_t* bytes, size_t length, void* status)")(
    options,
    config,
    config.length,
    status
  )
  const session: object = f("void* TF_NewSession(void* graph, void* options, void* status)")(graph, options, status)
  const devices: object = f("void* TF_SessionListDevices(void* session, void* status)")(session, status)
  const count = f("int TF_DeviceListCount(void* devices)")(devices) as number
  const typeOf = f("const char* TF_DeviceListType(void* devices, int index, void* status)")
  const hasGpu = Array.from({ length: count }, (_, i) => typeOf(devices, i, status) as string).includes("GPU")
  f("void TF_DeleteDeviceList(void* devices)")(devices)
  f("void TF_DeleteSession(void* session, void* status)")(session, status)
  f("void TF_DeleteSessionOptions(void* options)")(options)
  f("void TF_DeleteGraph(void* graph)")(graph)
  f("void TF_DeleteStatus(void* status)")(status)
  if (!hasGpu) return { class: "tensorflow-cpu", version, dtype: "float32" }
  return { class: "tensorflow-cuda", version, dtype: "float32", tf32: process.env["NVIDIA_TF32_OVERRIDE"] !== "0" }
}

const STDERR = 2
const WRITE_ONLY = 1

/**
 * Runs `body` with the process's stderr pointing nowhere: TensorFlow announces oneDNN while it loads, before it looks at its log level.
 * What goes wrong is thrown, not printed.
 */
function withoutStderr<A>(koffi: Koffi, body: () => A): A {
  const libc = koffi.load("libc.so.6")
  const duplicate = libc.func("int dup(int fd)")
  const replace = libc.func("int dup2(int from, int to)")
  const close = libc.func("int close(int fd)")
  const kept = duplicate(STDERR) as number
  const nowhere = libc.func("int open(const char* path, int flags)")("/dev/null", WRITE_ONLY) as number
  replace(nowhere, STDERR)
  try {
    return body()
  } finally {
    replace(kept, STDERR)
    close(kept)
    close(nowhere)
  }
}
