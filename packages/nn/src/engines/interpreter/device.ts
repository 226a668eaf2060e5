import { createRequire } from "node:module"
import { EngineUnavailable } from "../Engine.ts"

export type ArrayType = "float32" | "int32" | "bool"
export type View = Float32Array | Int32Array | Uint8Array

/** A tensor of a tfjs backend. Several may share one `dataId`, which counts its references. */
export interface Info {
  readonly dataId: object
  readonly shape: ReadonlyArray<number>
  readonly dtype: ArrayType
}

/** The memory and the kernels of a tfjs backend, without tfjs's own bookkeeping: no tape, no scopes, explicit lifetimes. */
export interface Device {
  readonly version: string
  /** Elements are undefined until written. */
  readonly allocate: (shape: ReadonlyArray<number>, dtype: ArrayType) => Info
  readonly upload: (data: ArrayLike<number>, shape: ReadonlyArray<number>, dtype: ArrayType) => Info
  /** The values, in an array of the caller's own. */
  readonly read: (info: Info) => Promise<View>
  /** The memory itself. It dies when the heap grows: take it after everything is allocated. */
  readonly view: (info: Info) => View
  readonly kernel: (name: string, inputs: Readonly<Record<string, Info>>, attrs: object) => Info
  /** [1, M, K] by [1, K, N] for each of `count` pairs of matrices that lie one after the other. */
  readonly multiply: (a: Info, b: Info, count: number, m: number, k: number, n: number) => Info
  readonly retain: (info: Info) => void
  readonly free: (info: Info) => void
  /** Whether nobody else holds the data. */
  readonly exclusive: (info: Info) => boolean
  /** Whether memory can be had as arrays; otherwise everything is done by kernels. */
  readonly mapped: boolean
}

export interface TfjsBackend {
  readonly incRef: (dataId: object) => void
  readonly refCount: (dataId: object) => number
  readonly disposeData: (dataId: object) => boolean
}

interface WasmBackend extends TfjsBackend {
  readonly makeOutput: (shape: ReadonlyArray<number>, dtype: string, memoryOffset?: number) => Info
  readonly typedArrayFromHeap: (info: Info) => View
  readonly dataIdMap: {
    readonly get: (dataId: object) => { readonly id: number; readonly memoryOffset: number }
    readonly delete: (dataId: object) => void
  }
  readonly wasm: { readonly tfjs: { readonly disposeData: (id: number) => void } }
}

interface CpuBackend extends TfjsBackend {
  firstUse: boolean
  readonly makeTensorInfo: (shape: ReadonlyArray<number>, dtype: string, values: View) => Info
  readonly data: { readonly get: (dataId: object) => { readonly values: View } }
}

export interface Tfjs {
  readonly version_core: string
  readonly setBackend: (name: string) => Promise<boolean>
  readonly findBackend: (name: string) => unknown
  readonly getKernel: (name: string, backend: string) => { readonly kernelFunc: (args: object) => Info } | undefined
}

// tfjs's ES modules do not load in Node; its CommonJS bundles do.
const require = createRequire(import.meta.url)

export type DeviceName = "wasm" | "cpu" | "webgpu"

/** Starts a tfjs backend. Several may live in one process. Fails with EngineUnavailable. */
export async function openDevice(name: DeviceName): Promise<Device> {
  const tfjs = require("@tensorflow/tfjs-core") as Tfjs
  if (name === "webgpu") return (await import("./webgpuDevice.ts")).openWebgpu(tfjs)
  if (name === "wasm") require("@tensorflow/tfjs-backend-wasm")
  else require("@tensorflow/tfjs-backend-cpu")
  if (!(await tfjs.setBackend(name))) throw new EngineUnavailable(name, "tfjs could not start its backend")
  const backend = tfjs.findBackend(name)
  return name === "wasm" ? wasmDevice(tfjs, backend as WasmBackend) : cpuDevice(tfjs, backend as CpuBackend)
}

/** What all backends do alike. */
export function shared(tfjs: Tfjs, name: string, backend: TfjsBackend) {
  return {
    version: tfjs.version_core,
    kernel: (kernel: string, inputs: Readonly<Record<string, Info>>, attrs: object): Info => {
      const found = tfjs.getKernel(kernel, name)
      if (found === undefined) throw new Error(`tfjs's ${name} backend has no kernel ${kernel}`)
      return found.kernelFunc({ inputs, attrs, backend })
    },
    retain: ({ dataId }: Info) => backend.incRef(dataId),
    free: ({ dataId }: Info) => void backend.disposeData(dataId),
    exclusive: ({ dataId }: Info) => backend.refCount(dataId) === 1
  }
}

/** Of a backend whose memory is at hand. */
function mapped(allocate: Device["allocate"], view: Device["view"]) {
  return {
    mapped: true,
    allocate,
    view,
    upload: (data: ArrayLike<number>, shape: ReadonlyArray<number>, dtype: ArrayType): Info => {
      const info = allocate(shape, dtype)
      view(info).set(data)
      return info
    },
    read: async (info: Info): Promise<View> => view(info).slice()
  }
}

/** All that a WebAssembly program can address. What asks for more is given the remainder, or the address 0, and no error. */
const HEAP_BYTES = 2 ** 32
const outOfMemory = (shape: ReadonlyArray<number>): Error =>
  new Error(`out of memory: the heap, of 4 GiB at the most, has no room for a tensor of shape [${shape.join(", ")}]`)

function wasmDevice(tfjs: Tfjs, backend: WasmBackend): Device {
  const device = shared(tfjs, "wasm", backend)
  const batchMatMul = (a: Info, b: Info) =>
    device.kernel("BatchMatMul", { a, b }, { transposeA: false, transposeB: false })
  const allocate = (shape: ReadonlyArray<number>, dtype: ArrayType): Info => {
    const bytes = shape.reduce((a, b) => a * b, dtype === "bool" ? 1 : 4)
    if (bytes >= HEAP_BYTES) throw outOfMemory(shape)
    const info = backend.makeOutput(shape, dtype)
    if (bytes > 0 && backend.dataIdMap.get(info.dataId).memoryOffset === 0) throw outOfMemory(shape)
    return info
  }
  return {
    ...device,
    ...mapped(allocate, (info) => backend.typedArrayFromHeap(info)),
    // The kernel hands a single plain product to XNNPACK, and anything else to a scalar loop: hence one call a matrix.
    multiply: (a, b, count, m, k, n) => {
      if (count === 1 && 4 * m * n >= HEAP_BYTES) throw outOfMemory([m, n])
      if (count === 1) return batchMatMul({ ...a, shape: [1, m, k] }, { ...b, shape: [1, k, n] })
      const result = allocate([count, m, n], "float32")
      for (let i = 0; i < count; i++) {
        const left = windowOf(backend, a, i * m * k, [1, m, k])
        const right = windowOf(backend, b, i * k * n, [1, k, n])
        const product = batchMatMul(left, right)
        const target = backend.typedArrayFromHeap(result)
        target.set(backend.typedArrayFromHeap(product), i * m * n)
        backend.disposeData(product.dataId)
        forget(backend, left)
        forget(backend, right)
      }
      return result
    }
  }
}

/** A tensor that lies inside another's memory. */
function windowOf(backend: WasmBackend, { dataId }: Info, offset: number, shape: ReadonlyArray<number>): Info {
  return backend.makeOutput(shape, "float32", backend.dataIdMap.get(dataId).memoryOffset + 4 * offset)
}

/** Forgets a window without freeing the memory that it shows; what XNNPACK packed for it is dropped. */
function forget(backend: WasmBackend, { dataId }: Info): void {
  backend.wasm.tfjs.disposeData(backend.dataIdMap.get(dataId).id)
  backend.dataIdMap.delete(dataId)
}

export const arrays = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const

function cpuDevice(tfjs: Tfjs, backend: CpuBackend): Device {
  backend.firstUse = false // it would print an advertisement
  const device = shared(tfjs, "cpu", backend)
  return {
    ...device,
    ...mapped(
      (shape, dtype) => backend.makeTensorInfo(shape, dtype, new arrays[dtype](shape.reduce((a, b) => a * b, 1))),
      ({ dataId }) => backend.data.get(dataId).values
    ),
    multiply: (a, b, count, m, k, n) =>
      device.kernel(
        "BatchMatMul",
        { a: { ...a, shape: [count, m, k] }, b: { ...b, shape: [count, k, n] } },
        { transposeA: false, transposeB: false }
      )
  }
}
