import { ProtobufWriter } from "../lower/protobuf.ts"

/** How a process takes GPUs. Nothing of it changes a result but `tf32`. */
export interface GpuOptions {
  /** CUDA's numbers of the devices that are seen, in this order: "0", "1,0". Left out: all. */
  readonly visible_devices?: string | undefined
  /** Share of each device's memory that the process may take, above 0 to 1: two trainings on one card take 0.45 each. Left out: all. */
  readonly memory_fraction?: number | undefined
  /** Take memory as it is needed; false takes all of the share at once. Default: true. */
  readonly allow_growth?: boolean | undefined
  /** Whether float32 products may be rounded to TF32 (Ampere and later). Default: true, as CUDA has it. */
  readonly tf32?: boolean | undefined
}

export interface SessionConfig {
  /** For one operation, and among operations. */
  readonly threads?: number | undefined
  readonly gpu?: GpuOptions | undefined
}

/**
 * TensorFlow's ConfigProto: what it does not mention stays at TensorFlow's default.
 *
 * Source: tensorflow/core/protobuf/config.proto: intra_op_parallelism_threads 2, inter_op_parallelism_threads 5, gpu_options 6
 * {per_process_gpu_memory_fraction 1, allow_growth 4, visible_device_list 5}.
 */
export function configProto({ gpu, threads }: SessionConfig): Uint8Array {
  const config = new ProtobufWriter()
  if (threads !== undefined) config.int(2, threads).int(5, threads)
  if (gpu !== undefined) config.message(6, gpuOptions(gpu))
  return config.finish()
}

function gpuOptions({ allow_growth, memory_fraction, visible_devices }: GpuOptions): ProtobufWriter {
  const options = new ProtobufWriter()
  if (memory_fraction !== undefined) options.double(1, memory_fraction)
  options.int(4, (allow_growth ?? true) ? 1 : 0)
  if (visible_devices !== undefined) options.string(5, visible_devices)
  return options
}

/**
 * The same as environment variables, which TensorFlow and CUDA read as they load, and which must then be set: the only way for what
 * ConfigProto has no field for, and for the addon, which takes no ConfigProto.
 *
 * @param byConfig whether a ConfigProto says which devices are seen: CUDA would count them a second time
 */
export function gpuEnvironment(
  { allow_growth, tf32, visible_devices }: GpuOptions,
  byConfig: boolean
): Record<string, string> {
  return {
    TF_FORCE_GPU_ALLOW_GROWTH: String(allow_growth ?? true),
    ...(tf32 === false ? { NVIDIA_TF32_OVERRIDE: "0" } : {}),
    ...(visible_devices === undefined || byConfig ? {} : { CUDA_VISIBLE_DEVICES: visible_devices })
  }
}
