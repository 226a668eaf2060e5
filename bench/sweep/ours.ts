import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { SweepJson } from "@hone/core/sweep/SweepJson"
import { hone, type Workplace } from "../job/hone.ts"
import { ownSeconds, type Quiet, watchQuiet } from "../machine.ts"
import { type Size, sweepPipeline, type Variant } from "./pipeline.ts"

export interface OurSweep extends Quiet {
  readonly seconds: number
  readonly again_seconds: number
  readonly cpu_seconds: number
  readonly sweep: SweepJson
}

/** A folder of its own with the sweep's file and an empty store. */
export const sweepPlace = (variant: Variant, size: Size, prune: string | undefined): Workplace => {
  const folder = mkdtempSync(join(tmpdir(), "hone-bench-"))
  writeFileSync(join(folder, "hone.yaml"), "")
  const pipeline = join(folder, "sweep.yaml")
  writeFileSync(pipeline, sweepPipeline(variant, size, prune))
  return { folder, pipeline }
}

export const removePlace = ({ folder }: Workplace): void => rmSync(folder, { recursive: true, force: true })

/** `hone sweep run --json`, by the clock of the caller: from the start of the command to its end. */
const timedSweep = async ({ pipeline }: Workplace) => {
  let last = ""
  const start = performance.now()
  await hone(["sweep", "run", pipeline, "--json"], (line) => void (last = line))
  const seconds = (performance.now() - start) / 1000
  return { seconds, sweep: JSON.parse(last) as SweepJson }
}

/** The sweep in an empty store, and again when all of it is there. */
export const runOurs = async (place: Workplace): Promise<OurSweep> => {
  const quiet = watchQuiet()
  const before = ownSeconds()
  const first = await timedSweep(place)
  const [cpu_seconds, window] = [ownSeconds() - before, quiet()]
  const unfinished = first.sweep.trials.filter(({ state }) => state !== "complete" && state !== "stopped")
  if (unfinished.length > 0) throw new Error(`${unfinished.length} trials did not end well`)
  const again = await timedSweep(place)
  return { ...first, again_seconds: again.seconds, cpu_seconds, ...window }
}
