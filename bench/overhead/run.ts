import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { workplace } from "../job/hone.ts"
import { heading, load, root } from "../machine.ts"
import { least, median, rounded } from "../statistics.ts"
import { usageOf, type Usage } from "./cpu.ts"
import { type Tool, tools } from "./tools.ts"

interface OverheadResult {
  readonly tool: string
  readonly steps: number
  readonly what: "first run" | "run again" | "run after deletion" | "plan"
  /** Seconds of user and system time, and by the clock; null where it did not end within the limit. */
  readonly cpu: { readonly min: number; readonly median: number } | null
  readonly wall: { readonly min: number; readonly median: number } | null
  readonly rounds: number
  /** CPU seconds that we allow ourselves; null where none is set. */
  readonly target: number | null
}

/** So small that its first run is short; its steps, keys and records are those of the shipped sample. */
const smallSample = ["--set", "reviews.sample=120", "--set", "params.max_length=16"]

/** CPU seconds of a run in which nothing is to be done, by number of steps; seven are those of sentiment.yaml. */
const targets: Readonly<Record<number, number>> = { 7: 0.3, 100: 0.35 }

const spread = (values: ReadonlyArray<number>) => ({
  min: rounded(least(values), 3),
  median: rounded(median(values), 3)
})

const print = ({ cpu, rounds, steps, target, tool, wall, what }: OverheadResult): void => {
  const name = `${tool.padEnd(15)}${String(steps).padStart(6)} steps  ${what.padEnd(20)}`
  if (cpu === null || wall === null) return console.log(`${name}did not end within the limit`)
  const seconds = (value: number) => value.toFixed(3).padStart(9)
  const each = what === "first run" ? `  ${((1000 * cpu.min) / steps).toFixed(1)} ms CPU a step` : ""
  const verdict = target === null ? "" : `  ${cpu.min <= target ? "within" : "ABOVE"} ${target.toFixed(2)}`
  console.log(
    `${name}${seconds(cpu.min)}${seconds(cpu.median)}${seconds(wall.min)}${seconds(wall.median)}${String(rounds).padStart(7)}${each}${verdict}`
  )
}

const resultOf = (
  at: Pick<OverheadResult, "tool" | "steps" | "what"> & { readonly target?: number | undefined },
  usages: ReadonlyArray<Usage | undefined>
): OverheadResult => {
  const done = usages.flatMap((usage) => usage ?? [])
  const isWhole = done.length === usages.length && done.length > 0
  return {
    ...at,
    cpu: isWhole ? spread(done.map(({ cpu }) => cpu)) : null,
    wall: isWhole ? spread(done.map(({ wall }) => wall)) : null,
    rounds: usages.length,
    target: at.target ?? null
  }
}

interface Case {
  readonly tool: Tool
  readonly steps: number
  readonly folder: string
}

/** Writes each tool's graph and runs it once; those that do not come to an end within the limit stand aside. */
const prepare = (all: ReadonlyArray<Tool>, sizes: ReadonlyArray<number>, base: string, limit: number) => {
  const ready: Array<Case> = []
  const results: Array<OverheadResult> = []
  for (const steps of sizes) {
    for (const tool of all) {
      const folder = mkdtempSync(join(base, "case-"))
      tool.write(folder, steps)
      const usage = usageOf({ ...tool.run(folder), limit })
      results.push(resultOf({ tool: tool.name, steps, what: "first run" }, [usage]))
      print(results.at(-1)!)
      if (usage !== undefined) ready.push({ tool, steps, folder })
    }
  }
  return { ready, results }
}

/** What is to be timed again and again. */
const commandsOf = (ready: ReadonlyArray<Case>, sentiment: string, base: string, limit: number) => {
  const honeOn = (args: ReadonlyArray<string>) => ({ command: join(root, "hone"), args, cwd: base, limit })
  const again = ready.map(({ folder, steps, tool }) => ({
    at: { tool: tool.name, steps, what: "run again" as const },
    timed: { ...tool.run(folder), limit }
  }))
  const own = [
    {
      at: { tool: "Hone", steps: 7, what: "run again" as const },
      timed: honeOn(["run", sentiment, ...smallSample])
    },
    ...ready
      .filter(({ tool }) => tool.name === "Hone")
      .map(({ folder, steps }) => ({
        at: { tool: "Hone", steps, what: "plan" as const },
        // Another root seed: every step but the first has never run.
        timed: honeOn(["plan", join(folder, "trivial.yaml"), "--set", "seed=2"])
      }))
  ]
  return [...again, ...own]
}

/** `overhead [--rounds N] [--sizes 5,100,...] [--limit SECONDS] [--json FILE]`: what a tool costs where there is little or nothing to do. */
export const run = async (args: ReadonlyArray<string>): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string", default: "5" },
      sizes: { type: "string", default: "5,100,1000,10000" },
      limit: { type: "string", default: "60" },
      json: { type: "string" }
    }
  })
  const limit = Number(values.limit)
  console.log(heading())
  const place = workplace("sentiment.yaml")
  const base = mkdtempSync(join(tmpdir(), "hone-bench-"))
  try {
    console.log(`${"seconds".padEnd(49)}  CPU min   median wall min   median rounds`)
    const all = tools((line) => console.log(line))
    const { ready, results } = prepare(all, values.sizes.split(",").map(Number), base, limit)
    usageOf({ command: join(root, "hone"), args: ["run", place.pipeline, ...smallSample], cwd: base, limit })
    const commands = commandsOf(ready, place.pipeline, base, limit)
    // Round by round, not command by command: a burst of noise then meets them all.
    const usages = new Map(commands.map((command) => [command, [] as Array<Usage | undefined>]))
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [{ timed }, list] of usages) list.push(usageOf(timed))
    }
    for (const [{ at }, list] of usages) {
      const target = at.tool === "Hone" && at.what === "run again" ? targets[at.steps] : undefined
      results.push(resultOf({ ...at, target }, list))
      print(results.at(-1)!)
    }
    for (const { folder, steps, tool } of ready) {
      tool.forget(folder, steps)
      const usage = usageOf({ ...tool.run(folder), limit })
      results.push(resultOf({ tool: tool.name, steps, what: "run after deletion" }, [usage]))
      print(results.at(-1)!)
    }
    console.log(`load at the end ${load().toFixed(2)}`)
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
  } finally {
    rmSync(place.folder, { recursive: true, force: true })
    rmSync(base, { recursive: true, force: true })
  }
}
