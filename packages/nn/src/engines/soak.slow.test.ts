import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import { nativeEngines } from "../testing/engines.ts"

const script = fileURLToPath(new URL("../testing/soak.ts", import.meta.url))
const STEPS = 5000
/** Before it caches fill: prepared code for each shape, arenas of the allocator. */
const SETTLED = 5

/** Bytes a step by least squares through the resident sizes that were taken every 100 steps. */
function growth(resident: ReadonlyArray<number>): number {
  const n = resident.length
  const middle = (n - 1) / 2
  const mean = resident.reduce((sum, bytes) => sum + bytes / n, 0)
  const above = resident.reduce((sum, bytes, i) => sum + (i - middle) * (bytes - mean), 0)
  const below = resident.reduce((sum, _, i) => sum + (i - middle) ** 2, 0)
  return above / below / 100
}

describe.each(nativeEngines)("5 000 training steps on %s", (engine) => {
  it.each(["fixed", "varying"] as const)("leave nothing behind: lengths %s", async (lengths) => {
    const args = ["--expose-gc", script, engine, lengths, String(STEPS)]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    const resident = JSON.parse(stdout.trim().split("\n").at(-1)!) as Array<number>
    expect(resident).toHaveLength(STEPS / 100)
    const bytes = growth(resident.slice(SETTLED))
    console.log(
      `${engine}, lengths ${lengths}: ${bytes.toFixed(0)} bytes a step, ${(resident.at(-1)! / 1e6).toFixed(0)} MB at the end`
    )
    expect(bytes).toBeLessThan(1024)
  })
})
