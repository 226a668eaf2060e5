import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { EngineMissing, readEngine } from "./EngineFile.ts"

const folder = mkdtempSync(join(tmpdir(), "hone-test-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What set-up writes for TensorFlow with its addon, on a machine with a GPU or without. */
const engineFile = (kind: "tensorflow-cpu" | "tensorflow-cuda") => {
  const path = join(folder, `${kind}.json`)
  const numerics = {
    class: kind,
    version: "2.21.0",
    dtype: "float32",
    ...(kind === "tensorflow-cpu" ? {} : { tf32: true })
  }
  const device = kind === "tensorflow-cpu" ? "cpu" : "cuda"
  const chosen = { engine: "session", version: "2.21.0", library: "/l", addon: "/a.node", numerics, device, threads: 2 }
  writeFileSync(path, JSON.stringify(chosen))
  return path
}

const choiceOf = (env: NodeJS.ProcessEnv, kind: Parameters<typeof engineFile>[0] = "tensorflow-cuda") => {
  const found = readEngine(folder, { HONE_ENGINE_FILE: engineFile(kind), ...env })
  if (found instanceof EngineMissing) throw found
  return found
}

describe("GPU settings", () => {
  it("are absent unless given", () => {
    expect(choiceOf({})).not.toHaveProperty("gpu")
    expect(choiceOf({}).numerics.tf32).toBe(true)
  })

  it("reach the engine, and a share of memory goes through the C API, which alone takes it", () => {
    const env = { HONE_GPU_DEVICES: "1", HONE_GPU_MEMORY: "0.45", HONE_GPU_GROWTH: "0" }
    const { engine, gpu } = choiceOf(env)
    expect(gpu).toEqual({ visible_devices: "1", memory_fraction: 0.45, allow_growth: false })
    expect(engine).toBe("capi")
    expect(choiceOf({ HONE_GPU_DEVICES: "1" }).engine).toBe("session")
    expect(choiceOf({ ...env, HONE_ENGINE: "session" }).engine, "the engine itself then says why not").toBe("session")
  })

  it("without TF32 are other numbers, and so other keys, where there is a GPU", () => {
    expect(choiceOf({ HONE_TF32: "0" }).numerics.tf32).toBe(false)
    expect(choiceOf({ NVIDIA_TF32_OVERRIDE: "0" }).numerics.tf32).toBe(false)
    expect(choiceOf({ HONE_TF32: "0" }, "tensorflow-cpu").numerics).not.toHaveProperty("tf32")
    expect(choiceOf({ HONE_GPU_DEVICES: "3", HONE_GPU_MEMORY: "0.2" }).numerics).toEqual(choiceOf({}).numerics)
  })

  it.each([
    ["HONE_GPU_MEMORY", "1.5", "above 0 to 1"],
    ["HONE_GPU_MEMORY", "half", "HONE_GPU_MEMORY=0.45"],
    ["HONE_GPU_DEVICES", "gpu0", "HONE_GPU_DEVICES=0 or 0,1"],
    ["HONE_TF32", "off", "write HONE_TF32=0 or HONE_TF32=1"]
  ])("%s=%s is refused, with what to write", (name, value, hint) => {
    const refused = () => choiceOf({ [name]: value })
    expect(refused).toThrow(`${name}=${value} says nothing`)
    expect(refused).toThrow(hint)
  })
})
