import { rmSync, writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { engineChoice, heading, load, type Quiet, watchQuiet } from "../machine.ts"
import { torchEnvironment } from "../torch/environment.ts"
import { runScript } from "../torch/script.ts"
import { records, show, timedRun, type Workplace, workplace } from "./hone.ts"
import { writeTrainerJob } from "./rows.ts"
import { covered, stageTimes, type StageTime } from "./stages.ts"

/** The last line of torch/trainer_job.py. */
interface TrainerAnswer {
  readonly same_ids: boolean
  readonly accuracy: Readonly<Record<"probe" | "bag_of_words" | "tuned", number>>
  readonly seconds: Readonly<Record<string, number>>
  readonly total_seconds: number
  readonly torch: string
}

interface OurRun extends Quiet {
  readonly seconds: number
  readonly again_seconds: number
  readonly accuracy: TrainerAnswer["accuracy"]
  readonly stages: ReadonlyArray<StageTime>
}

interface PeerRun extends Omit<TrainerAnswer, "total_seconds">, Quiet {
  readonly wall_seconds: number
}

const metric = (metrics: Readonly<Record<string, unknown>>, predictor: string): number =>
  Number((metrics[predictor] as Readonly<Record<string, unknown>> | undefined)?.["accuracy"])

const ours = async (place: Workplace, sets: ReadonlyArray<string>): Promise<OurRun> => {
  const quiet = watchQuiet()
  const began = Date.now()
  const first = await timedRun(place, sets)
  const window = quiet()
  const again = await timedRun(place, sets)
  const before = (await show(place, "before", sets)).metrics
  const after = (await show(place, "after", sets)).metrics
  return {
    seconds: first.seconds,
    again_seconds: again.seconds,
    accuracy: {
      probe: metric(before, "model"),
      bag_of_words: metric(before, "bag_of_words"),
      tuned: metric(after, "model")
    },
    stages: stageTimes(records(place), began),
    ...window
  }
}

const peer = (python: string, job: string): PeerRun => {
  const { answer, ...run } = runScript<TrainerAnswer>(python, "trainer_job.py", job)
  const { total_seconds: _, ...told } = answer
  return { ...told, ...run }
}

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`

const noise = ({ others_percent, steal_percent }: Quiet): string =>
  `others took ${(others_percent + steal_percent).toFixed(0)} % of the machine`

const printOurs = ({ accuracy, again_seconds, seconds, stages, ...quiet }: OurRun): void => {
  console.log(`ours: ${seconds.toFixed(1)} s (again, from the store: ${again_seconds.toFixed(2)} s); ${noise(quiet)}`)
  console.log(
    `  accuracy: probe ${percent(accuracy.probe)}, bag of words ${percent(accuracy.bag_of_words)}, tuned ${percent(accuracy.tuned)}`
  )
  console.log(`  ${"stage".padEnd(24)} starts at   seconds   in the engine`)
  for (const { engine_seconds, name, seconds: taken, start } of stages) {
    const engine = engine_seconds === null ? "" : `${engine_seconds.toFixed(2)} (${percent(engine_seconds / taken)})`
    console.log(`  ${name.padEnd(24)} ${start.toFixed(2).padStart(9)} ${taken.toFixed(2).padStart(9)}   ${engine}`)
  }
  const inEngine = stages.reduce((sum, stage) => sum + (stage.engine_seconds ?? 0), 0)
  const busy = covered(stages)
  console.log(
    `  in stages ${busy.toFixed(1)} s, in the engine ${inEngine.toFixed(1)} s (${percent(inEngine / seconds)}), between stages and around them ${(seconds - busy).toFixed(1)} s`
  )
  const fit = stages.find(({ name }) => name === "train/fit")
  if (fit?.engine_seconds != null) {
    const share = fit.engine_seconds / fit.seconds
    console.log(`  of the training's wall time ${percent(share)} is inside the engine (target: 85 %)`)
  }
}

const printPeer = ({ accuracy, same_ids, seconds, torch, wall_seconds, ...quiet }: PeerRun): void => {
  console.log(`Hugging Face Trainer (torch ${torch}): ${wall_seconds.toFixed(1)} s; ${noise(quiet)}`)
  console.log(
    `  accuracy: probe ${percent(accuracy.probe)}, bag of words ${percent(accuracy.bag_of_words)}, tuned ${percent(accuracy.tuned)}`
  )
  const listed = Object.entries(seconds).map(([part, taken]) => `${part} ${taken.toFixed(1)} s`)
  console.log(`  ${listed.join(", ")}; token ids ${same_ids ? "equal ours" : "DIFFER from ours"}`)
}

/** `job [--rounds N] [--json FILE] [--set ...]`: the whole of pipelines/sentiment.yaml beside a Trainer script on the same rows. */
export const run = async (args: ReadonlyArray<string>): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string", default: "1" },
      json: { type: "string" },
      set: { type: "string", multiple: true, default: [] }
    }
  })
  const sets = values.set.flatMap((set) => ["--set", set])
  const torch = torchEnvironment()
  console.log(`${heading()}, engine ${engineChoice().engine} ${engineChoice().version}`)
  if ("missing" in torch) console.log(torch.missing)
  const results: Array<{ readonly ours: OurRun; readonly peer: PeerRun | null }> = []
  for (let round = 0; round < Number(values.rounds); round++) {
    const place = workplace("sentiment.yaml")
    try {
      const left = await ours(place, sets)
      printOurs(left)
      const right = "missing" in torch ? null : peer(torch.python, writeTrainerJob(place, records(place)))
      if (right !== null) printPeer(right)
      results.push({ ours: left, peer: right })
    } finally {
      rmSync(place.folder, { recursive: true, force: true })
    }
  }
  console.log(`load at the end ${load().toFixed(2)}`)
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
}
