import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { SweepTrial } from "@hone/core/sweep/SweepJson"
import { records, type Workplace } from "../job/hone.ts"
import { writeRows } from "../job/rows.ts"
import { ownSeconds, type Quiet } from "../machine.ts"
import { runScript } from "../torch/script.ts"
import { type Size, type Variant, variants } from "./pipeline.ts"

/** The last line of torch/trainer_sweep.py. */
interface TrainerAnswer {
  readonly before_seconds: number
  readonly trials: ReadonlyArray<{ readonly seconds: number; readonly accuracy: number }>
  readonly same_ids: boolean
  readonly torch: string
}

export interface PeerSweep extends Quiet, TrainerAnswer {
  readonly ran: ReadonlyArray<SweepTrial>
  /** Of the whole process. */
  readonly wall_seconds: number
  /** For all trials: what ran, and for what did not, a trial of the same batch size. */
  readonly seconds: number
  /** Processor seconds for all trials. */
  readonly cpu_seconds: number
  readonly isExtrapolated: boolean
}

const batchOf = ({ params }: SweepTrial): number => Number(params["tuned.batch_size"])

/** The best trial of each batch size, on which a trial's time hangs. */
const oneOfEach = (trials: ReadonlyArray<SweepTrial>): ReadonlyArray<SweepTrial> => [
  ...new Map([...trials].reverse().map((trial) => [batchOf(trial), trial])).values()
]

const wholeSeconds = (
  { before_seconds, trials: timed }: TrainerAnswer,
  ran: ReadonlyArray<SweepTrial>,
  all: ReadonlyArray<SweepTrial>
): number =>
  all.reduce((sum, trial) => {
    const same = ran.flatMap((one, at) => (batchOf(one) === batchOf(trial) ? [timed[at]!.seconds] : []))
    return sum + same.reduce((total, seconds) => total + seconds, 0) / same.length
  }, before_seconds)

export interface PeerOptions {
  readonly python: string
  readonly place: Workplace
  readonly variant: Variant
  readonly size: Size
  readonly trials: ReadonlyArray<SweepTrial>
  /** Whether all trials run, or one of each batch size. */
  readonly isWhole: boolean
}

/** Hugging Face Trainer over the same trials on the same rows. */
export const runPeer = ({ isWhole, place, python, size, trials, variant }: PeerOptions): PeerSweep => {
  const ran = isWhole ? trials : oneOfEach(trials)
  const job = {
    ...writeRows(place, records(place), ["train", "validation"]),
    seed: 7,
    epochs: size.epochs,
    frozen_blocks: variants[variant].frozen_blocks,
    trials: ran.map((trial) => ({
      learning_rate: Number(trial.params["tuned.learning_rate"]),
      batch_size: batchOf(trial)
    }))
  }
  const path = join(place.folder, "job.json")
  writeFileSync(path, JSON.stringify(job))
  const before = ownSeconds()
  const { answer, ...run } = runScript<TrainerAnswer>(python, "trainer_sweep.py", path)
  const { wall_seconds } = run
  const seconds = isWhole ? wall_seconds : wholeSeconds(answer, ran, trials)
  return {
    ...answer,
    ...run,
    ran,
    seconds,
    cpu_seconds: ((ownSeconds() - before) * seconds) / wall_seconds,
    isExtrapolated: !isWhole
  }
}
