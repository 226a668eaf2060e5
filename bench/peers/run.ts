import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { show, timedRun, workplace } from "../job/hone.ts"
import { engineChoice, heading, load, root } from "../machine.ts"
import { torchEnvironment } from "../torch/environment.ts"
import { runScript } from "../torch/script.ts"
import { type Trained, writePeerJob } from "./job.ts"

interface Peer extends Trained {
  /** What makes the pipeline small enough to run on both sides in a minute or two. */
  readonly sets: ReadonlyArray<string>
  /** Which evaluation tells of which predictor: `probe` and the rivals are those of the first. */
  readonly evaluated: Readonly<Record<string, string>>
}

const emobank = join(root, "..", "shared", "data", "emobank", "train.csv")
const tuned = { tuned: { frozenBy: "trainable", afterMasked: false } }

const peers: Readonly<Record<string, Peer>> = {
  authors: {
    sets: ["params.lines=600", "params.epochs=2", "tokens.max_length=32"],
    trainings: tuned,
    evaluated: { probe: "before", tuned: "after" },
    isNumber: false
  },
  spam: {
    sets: ["params.mails=500", "params.max_length=64"],
    trainings: tuned,
    evaluated: { probe: "before", tuned: "after" },
    isNumber: false
  },
  regression: {
    sets: [
      `texts.source=${emobank}`,
      "texts.columns={ text: text, label: valence }",
      "params.texts=800",
      "params.max_length=32",
      "params.epochs=2"
    ],
    trainings: tuned,
    evaluated: { probe: "before", tuned: "after" },
    isNumber: true
  },
  domain: {
    sets: ["params.texts=400", "params.reviews=600", "params.max_length=32"],
    trainings: {
      without: { frozenBy: "plain", afterMasked: false },
      tuned: { frozenBy: "read", afterMasked: true }
    },
    masked: { step: "adapted", tokens: "words" },
    evaluated: { probe: "before", without: "baseline", tuned: "after" },
    isNumber: false
  }
}

type Scores = Readonly<Record<string, number>>

interface Round {
  readonly seed: number
  readonly ours: Scores
  readonly theirs: Scores
}

const scoreOf = (metrics: Readonly<Record<string, unknown>>, predictor: string, isNumber: boolean): number =>
  Number((metrics[predictor] as Readonly<Record<string, unknown>>)[isNumber ? "pearson" : "accuracy"])

const askTorch = (python: string, job: string): Scores =>
  runScript<{ readonly scores: Scores }>(python, "peer_job.py", job).answer.scores

/** One seed of a pipeline, by Hone and then by PyTorch on the rows that Hone drew. */
const round = async (name: string, seed: number, peer: Peer, more: ReadonlyArray<string>, python: string) => {
  const place = workplace(`${name}.yaml`)
  try {
    const text = readFileSync(place.pipeline, "utf8")
    writeFileSync(place.pipeline, text.replace(/^seed: \d+$/mu, `seed: ${seed}`))
    // As Trainer does it by default. Hone's own default, rows of like length together, is for speed.
    const steps = [...Object.keys(peer.trainings), ...(peer.masked === undefined ? [] : [peer.masked.step])]
    const ungrouped = steps.map((step) => `${step}.group_by_length=false`)
    const sets = [...peer.sets, ...ungrouped, ...more].flatMap((set) => ["--set", set])
    await timedRun(place, sets)
    const ours: Record<string, number> = {}
    for (const [predictor, step] of Object.entries(peer.evaluated)) {
      const { metrics } = await show(place, step, sets)
      ours[predictor] = scoreOf(metrics, "model", peer.isNumber)
      if (predictor !== "probe") continue
      ours["bag_of_words"] = scoreOf(metrics, "bag_of_words", peer.isNumber)
      if (!peer.isNumber) ours["majority"] = scoreOf(metrics, "majority", peer.isNumber)
    }
    const theirs = askTorch(python, await writePeerJob(place, sets, seed, peer))
    return { seed, ours, theirs }
  } finally {
    rmSync(place.folder, { recursive: true, force: true })
  }
}

const mean = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0) / values.length
/** Of a sample; NaN for one value. */
const deviation = (values: ReadonlyArray<number>) =>
  Math.sqrt(values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / (values.length - 1))

const told = (values: ReadonlyArray<number>): string => {
  const spread = deviation(values)
  return `${mean(values).toFixed(3)}${Number.isNaN(spread) ? "" : ` ± ${spread.toFixed(3)}`}`
}

const print = (name: string, rounds: ReadonlyArray<Round>, { isNumber, sets }: Peer): void => {
  const seeds = rounds.map(({ seed }) => seed).join(", ")
  console.log(`${name}: ${isNumber ? "Pearson" : "accuracy"}, seeds ${seeds} (mean ± sd); ${sets.join(" ")}`)
  console.log(`  ${"".padEnd(16)}${"Hone".padEnd(18)}PyTorch`)
  for (const predictor of Object.keys(rounds[0]!.ours)) {
    const side = (of: "ours" | "theirs") => told(rounds.map((round) => round[of][predictor]!))
    console.log(`  ${predictor.padEnd(16)}${side("ours").padEnd(18)}${side("theirs")}`)
  }
}

/** `peers [NAME...] [--seeds 1,2,3] [--set ...] [--json FILE]`: shipped pipelines, small, beside PyTorch on the same rows. */
export const run = async (args: ReadonlyArray<string>): Promise<void> => {
  const { positionals, values } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seeds: { type: "string", default: "1" },
      set: { type: "string", multiple: true, default: [] },
      json: { type: "string" }
    }
  })
  const names = positionals.length === 0 ? Object.keys(peers) : positionals
  const unknown = names.filter((name) => !Object.hasOwn(peers, name))
  if (unknown.length > 0)
    throw new Error(`no such pipeline: ${unknown.join(", ")}; write some of: ${Object.keys(peers).join(", ")}`)
  const torch = torchEnvironment()
  if ("missing" in torch) throw new Error(torch.missing)
  console.log(`${heading()}, engine ${engineChoice().engine} ${engineChoice().version}`)
  const results: Record<string, ReadonlyArray<Round>> = {}
  for (const name of names) {
    const peer = peers[name]!
    if (name === "regression" && !existsSync(emobank)) {
      console.log("regression stands aside: there is no shared/data/emobank")
      continue
    }
    const rounds: Array<Round> = []
    for (const seed of values.seeds.split(",").map(Number))
      rounds.push(await round(name, seed, peer, values.set, torch.python))
    print(name, rounds, peer)
    results[name] = rounds
  }
  console.log(`load at the end ${load().toFixed(2)}`)
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
}
