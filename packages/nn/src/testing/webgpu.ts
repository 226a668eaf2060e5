import { existsSync } from "node:fs"
import { createRequire } from "node:module"
import { type Engine, EngineUnavailable } from "../engines/Engine.ts"
import { openEngine } from "../engines/openEngine.ts"

// A processor can stand in for a GPU: SwiftShader, which Debian's chromium-common brings with a Vulkan loader of its own.
const driver = "/usr/lib/chromium/vk_swiftshader_icd.json"
const loader = "/usr/lib/chromium/libvulkan.so.1"

/** webgpu on a GPU or on SwiftShader; undefined, with a line that says why, where there is neither. */
export async function webgpuForTest(): Promise<Engine | undefined> {
  if (process.env["VK_ICD_FILENAMES"] === undefined && existsSync(driver)) process.env["VK_ICD_FILENAMES"] = driver
  // What is loaded under its name already is found by that name, wherever it lies.
  if (existsSync(loader)) (createRequire(import.meta.url)("koffi") as (typeof import("koffi"))["default"]).load(loader)
  try {
    return await openEngine({ engine: "webgpu" })
  } catch (cause) {
    if (!(cause instanceof EngineUnavailable)) throw cause
    console.log(`skipped: tests on webgpu: ${cause.message}`)
    return undefined
  }
}
