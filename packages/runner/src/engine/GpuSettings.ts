import type { GpuChoice } from "@hone/core/Stage"

/** A variable whose value says nothing. */
export interface BadSetting {
  readonly variable: string
  readonly value: string
  readonly hint: string
}

const DEVICES = "write the numbers of devices, HONE_GPU_DEVICES=0 or 0,1"
const MEMORY =
  "write the share of a card's memory, above 0 to 1: HONE_GPU_MEMORY=0.45 leaves room for a second training"

const flag = (env: NodeJS.ProcessEnv, name: string): boolean | BadSetting | undefined => {
  const value = env[name]
  if (value === undefined || value === "") return undefined
  if (value === "0" || value === "1") return value === "1"
  return { variable: name, value, hint: `write ${name}=0 or ${name}=1` }
}

const devices = ({ HONE_GPU_DEVICES: value }: NodeJS.ProcessEnv): string | BadSetting | undefined => {
  if (value === undefined || value === "") return undefined
  return /^\d+(,\d+)*$/.test(value) ? value : { variable: "HONE_GPU_DEVICES", value, hint: DEVICES }
}

const memory = ({ HONE_GPU_MEMORY: value }: NodeJS.ProcessEnv): number | BadSetting | undefined => {
  if (value === undefined || value === "") return undefined
  const share = Number(value)
  return share > 0 && share <= 1 ? share : { variable: "HONE_GPU_MEMORY", value, hint: MEMORY }
}

const isBad = (value: unknown): value is BadSetting => typeof value === "object"

/**
 * How this machine's GPUs are to be taken: HONE_GPU_DEVICES, HONE_GPU_MEMORY, HONE_GPU_GROWTH, HONE_TF32 (or NVIDIA's own
 * NVIDIA_TF32_OVERRIDE=0). Of these only TF32 changes results, and is part of the numerics in a key.
 */
export const gpuSettings = (env: NodeJS.ProcessEnv): GpuChoice | BadSetting => {
  const given = {
    visible_devices: devices(env),
    memory_fraction: memory(env),
    allow_growth: flag(env, "HONE_GPU_GROWTH"),
    tf32: env["NVIDIA_TF32_OVERRIDE"] === "0" ? false : flag(env, "HONE_TF32")
  }
  const bad = Object.values(given).find(isBad)
  if (bad !== undefined) return bad
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as GpuChoice
}
