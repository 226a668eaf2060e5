import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { workplace } from "../job/hone.ts"
import { heading, load } from "../machine.ts"
import { least, median, rounded } from "../statistics.ts"
import { usageOf, type Usage } from "./cpu.ts"
import { writeTrivial } from "./pipelines.ts"

interface OverheadResult {
  readonly case: string
  /** Seconds of user and system time. */
  readonly cpu: { readonly min: number; readonly median: number }
  readonly wall: { readonly min: number; readonly median: number }
  readonly rounds: number
  /** CPU seconds that we allow ourselves; null where none is set. */
  readonly target: number | null
}

interface Command {
  readonly name: string
  readonly args: ReadonlyArray<string>
  readonly target: number | null
}

/** So small that its first run is short; its steps, keys and records are those of the shipped sample. */
const smallSample = ["--set", "reviews.sample=120", "--set", "params.max_length=16"]

const spread = (values: ReadonlyArray<number>) => ({
  min: rounded(least(values), 3),
  median: rounded(median(values), 3)
})

const resultOf = ({ name, target }: Command, usages: ReadonlyArray<Usage>): OverheadResult => ({
  case: name,
  cpu: spread(usages.map(({ cpu }) => cpu)),
  wall: spread(usages.map(({ wall }) => wall)),
  rounds: usages.length,
  target
})

const print = ({ case: name, cpu, rounds, target, wall }: OverheadResult): void => {
  const seconds = (value: number) => value.toFixed(3).padStart(9)
  const verdict = target === null ? "" : ` ${cpu.min <= target ? "within" : "ABOVE"} ${target.toFixed(2)}`
  console.log(
    `${name.padEnd(38)}${seconds(cpu.min)}${seconds(cpu.median)}${seconds(wall.min)}${seconds(wall.median)}${String(rounds).padStart(8)}${verdict}`
  )
}

/** Runs each pipeline once, so that every step is in the store; gives what is then timed. */
const prepare = (folder: string, sentiment: string): ReadonlyArray<Command> => {
  const [hundred, thousand, unseenThousand, unseenTenThousand] = [100, 1000, 1000, 10_000].map((steps, at) => {
    const place = join(folder, `trivial-${at}`)
    mkdirSync(place)
    writeFileSync(join(place, "hone.yaml"), "")
    return writeTrivial(place, steps)
  }) as [string, string, string, string]
  usageOf(["run", sentiment, ...smallSample])
  for (const [file, steps] of [
    [hundred, 100],
    [thousand, 1000]
  ] as const) {
    const { cpu, wall } = usageOf(["run", file])
    console.log(
      `first run of ${steps} trivial steps: ${wall.toFixed(1)} s, ${((1000 * cpu) / steps).toFixed(1)} ms CPU a step`
    )
  }
  return [
    { name: "run again, sentiment.yaml", args: ["run", sentiment, ...smallSample], target: 0.3 },
    { name: "run again, 100 trivial steps", args: ["run", hundred], target: 0.35 },
    { name: "run again, 1 000 trivial steps", args: ["run", thousand], target: null },
    { name: "plan, sentiment.yaml", args: ["plan", sentiment, ...smallSample], target: null },
    { name: "plan, 1 000 steps never run", args: ["plan", unseenThousand], target: null },
    { name: "plan, 10 000 steps never run", args: ["plan", unseenTenThousand], target: null }
  ]
}

/** `overhead [--rounds N] [--json FILE]`: what Hone costs where there is nothing to do. */
export const run = async (args: ReadonlyArray<string>): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    options: { rounds: { type: "string", default: "15" }, json: { type: "string" } }
  })
  console.log(heading())
  const place = workplace("sentiment.yaml")
  try {
    const commands = prepare(place.folder, place.pipeline)
    console.log(`${"seconds".padEnd(38)}  CPU min   median wall min   median  rounds`)
    // Round by round, not command by command: a burst of noise then meets them all.
    const usages = new Map(commands.map((command) => [command, [] as Array<Usage>]))
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [command, list] of usages) list.push(usageOf(command.args))
    }
    const results = [...usages].map(([command, list]) => resultOf(command, list))
    results.forEach(print)
    console.log(`load at the end ${load().toFixed(2)}`)
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
  } finally {
    rmSync(place.folder, { recursive: true, force: true })
  }
}
