import { createRequire } from "node:module"
import { EngineUnavailable } from "../Engine.ts"
import {
  arrays,
  type ArrayType,
  type Device,
  type Info,
  shared,
  type Tfjs,
  type TfjsBackend,
  type View
} from "./device.ts"

interface WebgpuBackend extends TfjsBackend {
  readonly makeTensorInfo: (shape: ReadonlyArray<number>, dtype: string, values?: View) => Info
  readonly read: (dataId: object) => Promise<View>
  readonly readSync: (dataId: object) => View
}

const require = createRequire(import.meta.url)

/**
 * tfjs's WebGPU backend on Dawn through Vulkan. Whatever the Vulkan loader finds is used: a GPU, or SwiftShader on a processor
 * (VK_ICD_FILENAMES, and libvulkan.so.1 where the loader looks). Reads are asynchronous.
 */
export async function openWebgpu(tfjs: Tfjs): Promise<Device> {
  await provideNavigator()
  require("@tensorflow/tfjs-backend-webgpu")
  if (!(await tfjs.setBackend("webgpu").catch(() => false)))
    throw new EngineUnavailable("webgpu", "tfjs could not start its backend on the adapter")
  const backend = tfjs.findBackend("webgpu") as WebgpuBackend
  const upload = (data: ArrayLike<number>, shape: ReadonlyArray<number>, dtype: ArrayType): Info =>
    backend.makeTensorInfo(shape, dtype, arrays[dtype].from(data))
  return {
    ...shared(tfjs, "webgpu", backend),
    mapped: false,
    allocate: (shape, dtype) => backend.makeTensorInfo(shape, dtype),
    upload,
    read: async ({ dataId }) => (await backend.read(dataId)).slice(),
    view: ({ dataId }) => backend.readSync(dataId),
    multiply: () => {
      throw new Error("products on webgpu are kernels")
    }
  }
}

/** What browsers have as `navigator.gpu`, by the `webgpu` package. */
async function provideNavigator(): Promise<void> {
  const { create, globals } = await import("webgpu").catch((cause: unknown) => {
    throw new EngineUnavailable("webgpu", `the package webgpu does not load: ${(cause as Error).message}`, { cause })
  })
  Object.assign(globalThis, globals)
  const gpu = create(["backend=vulkan"])
  if ((await gpu.requestAdapter().catch(() => null)) === null)
    throw new EngineUnavailable("webgpu", "Vulkan has no adapter here", {
      mend: "install a driver with Vulkan and libvulkan1, or take another engine"
    })
  Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true })
}
