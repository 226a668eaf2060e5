import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { engineChoice, heading, load, type Quiet } from "../machine.ts"
import { torchEnvironment } from "../torch/environment.ts"
import { type OurSweep, removePlace, runOurs, sweepPlace } from "./ours.ts"
import { type PeerSweep, runPeer } from "./peer.ts"
import { type Size, type Variant, variants } from "./pipeline.ts"

interface Result {
  readonly variant: Variant
  readonly ours: OurSweep
  readonly peer: PeerSweep | null
  readonly pruned: OurSweep | null
}

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`

const noise = ({ others_percent, steal_percent }: Quiet): string =>
  `others took ${(others_percent + steal_percent).toFixed(0)} % of the machine`

const ourLine = (name: string, { again_seconds, cpu_seconds, seconds, sweep, ...quiet }: OurSweep): string => {
  const best = sweep.trials[0]!
  const { distinct_steps, steps } = sweep.cost
  const stopped = sweep.trials.filter(({ state }) => state === "stopped").length
  return [
    `  ${name.padEnd(34)} ${seconds.toFixed(1).padStart(8)} s (processor ${cpu_seconds.toFixed(0)} s)  best ${percent(best.objective!)}`,
    `${steps} steps, ${distinct_steps} distinct${stopped === 0 ? "" : `, ${stopped} trials stopped`}; again ${again_seconds.toFixed(2)} s; ${noise(quiet)}`
  ].join("; ")
}

/** What is left of the time once what trials share is there: the mean of the trials that did not make it. */
const trialLine = ({ sweep }: OurSweep): string => {
  const seconds = sweep.trials.map((trial) => trial.seconds).sort((a, b) => a - b)
  return `  a trial of ours: least ${seconds[0]!.toFixed(2)} s, median ${seconds[seconds.length >> 1]!.toFixed(2)} s, most ${seconds.at(-1)!.toFixed(2)} s (with what it shares)`
}

const peerLines = ({
  cpu_seconds,
  isExtrapolated,
  ran,
  same_ids,
  seconds,
  torch,
  trials,
  ...quiet
}: PeerSweep): string => {
  const how = isExtrapolated ? `extrapolated from ${ran.length} whole trials` : `${ran.length} trials run`
  const each = trials.map((trial) => `${trial.seconds.toFixed(1)} s`).join(", ")
  return `  ${`Hugging Face Trainer (torch ${torch})`.padEnd(34)} ${seconds.toFixed(1).padStart(8)} s (processor ${cpu_seconds.toFixed(0)} s)  ${how}: ${each}; token ids ${same_ids ? "equal ours" : "DIFFER from ours"}; ${noise(quiet)}`
}

/** Validation accuracy of the same trials on both sides. */
const accuracyLine = ({ ran, trials }: PeerSweep): string => {
  const pairs = ran.map(
    (trial, at) => `trial ${trial.number}: ${percent(trial.objective!)} and ${percent(trials[at]!.accuracy)}`
  )
  const difference = ran.reduce((sum, trial, at) => sum + trial.objective! - trials[at]!.accuracy, 0) / ran.length
  return `  validation accuracy, ours and Trainer's: ${pairs.join(", ")}; mean difference ${(100 * difference).toFixed(1)} points`
}

const print = ({ ours, peer, pruned, variant }: Result): void => {
  console.log(`${variant}: ${ours.sweep.trials.length} trials`)
  console.log(ourLine("Hone", ours))
  console.log(trialLine(ours))
  if (peer !== null) {
    console.log(peerLines(peer))
    console.log(accuracyLine(peer))
    const ratio = peer.seconds / ours.seconds
    const { target } = variants[variant]
    const cpu = peer.cpu_seconds / ours.cpu_seconds
    console.log(
      `  ${ratio.toFixed(2)} times as fast, ${cpu.toFixed(2)} times less of the processor (target ${target}: ${ratio >= target ? "met" : "MISSED"})`
    )
  }
  if (pruned !== null) {
    console.log(ourLine("Hone, with asha at 1 and 3 epochs", pruned))
    if (peer !== null) console.log(`  ${(peer.seconds / pruned.seconds).toFixed(2)} times as fast`)
  }
}

const prune =
  "{ method: asha, metric: tuned.validation_loss, goal: minimize, resource: epoch, rungs: [1, 3], keep: 1/3 }"

interface Options {
  readonly size: Size
  readonly python: string | undefined
  readonly isWhole: boolean
  readonly isPruned: boolean
}

const inPlace = async <A>(
  variant: Variant,
  size: Size,
  prune: string | undefined,
  work: (place: ReturnType<typeof sweepPlace>) => Promise<A>
) => {
  const place = sweepPlace(variant, size, prune)
  try {
    return await work(place)
  } finally {
    removePlace(place)
  }
}

const measure = async (variant: Variant, { isPruned, isWhole, python, size }: Options): Promise<Result> => {
  const { ours, peer } = await inPlace(variant, size, undefined, async (place) => {
    const ours = await runOurs(place)
    const { trials } = ours.sweep
    return { ours, peer: python === undefined ? null : runPeer({ python, place, variant, size, trials, isWhole }) }
  })
  return { variant, ours, peer, pruned: isPruned ? await inPlace(variant, size, prune, runOurs) : null }
}

/** `sweep [--variant head|partial] [--trials N] [--epochs N] [--prune] [--whole] [--json FILE]`: see README.md. */
export const run = async (args: ReadonlyArray<string>): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      variant: { type: "string", multiple: true, default: Object.keys(variants) },
      trials: { type: "string", default: "12" },
      epochs: { type: "string", default: "10" },
      rounds: { type: "string", default: "1" },
      prune: { type: "boolean", default: false },
      whole: { type: "boolean", default: false },
      json: { type: "string" }
    }
  })
  const unknown = values.variant.find((name) => !(name in variants))
  if (unknown !== undefined) throw new Error(`no variant "${unknown}": ${Object.keys(variants).join(", ")}`)
  const torch = torchEnvironment()
  console.log(`${heading()}, engine ${engineChoice().engine} ${engineChoice().version}`)
  if ("missing" in torch) console.log(torch.missing)
  const options: Options = {
    size: { trials: Number(values.trials), epochs: Number(values.epochs) },
    python: "missing" in torch ? undefined : torch.python,
    isWhole: values.whole,
    isPruned: values.prune
  }
  const results: Array<Result> = []
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const variant of values.variant as ReadonlyArray<Variant>) {
      const result = await measure(variant, options)
      print(result)
      results.push(result)
    }
  }
  console.log(`load at the end ${load().toFixed(2)}`)
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
}
