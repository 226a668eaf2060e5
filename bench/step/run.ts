import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { parseBertConfig } from "@hone/nn"
import { engineChoice, heading, isNoisy, load } from "../machine.ts"
import { torchEnvironment, type TorchEnvironment } from "../torch/environment.ts"
import { stepCases, type StepCase } from "./cases.ts"
import { makeBatch, minilmConfig, writeMinilm } from "./inputs.ts"
import { measure, type Pace, type Side, type StepResult } from "./window.ts"

const careful: Pace = { warm_up_steps: 3, quiet_rounds: 12, seconds: 60 }
const quick: Pace = { warm_up_steps: 2, quiet_rounds: 3, seconds: 8 }

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

const sidesOf = (wanted: StepCase, threads: number, weights: string, torch: TorchEnvironment): ReadonlyArray<Side> => {
  const config = minilmConfig()
  const batch = makeBatch(wanted.rows, wanted.length, parseBertConfig(config).vocab_size)
  const open = { case: wanted, config, weights, batch, threads }
  const ours: Side = {
    name: "ours",
    command: process.execPath,
    args: [script("server.ts")],
    env: {},
    open: { ...open, engine: engineChoice() }
  }
  if ("missing" in torch) return [ours]
  const env = { OMP_NUM_THREADS: String(threads), MKL_NUM_THREADS: String(threads), HF_HUB_OFFLINE: "1" }
  return [ours, { name: "torch", command: torch.python, args: [script("../torch/step_server.py")], env, open }]
}

const cell = (text: string, width: number): string => text.padStart(width)

const header = [
  "case".padEnd(26),
  ...[
    "threads",
    "ours min",
    "median",
    "torch min",
    "median",
    "min",
    "median",
    "RSS MB",
    "torch",
    "rounds",
    "others"
  ].map((title) => cell(title, 9))
].join(" ")

/** Milliseconds, ratios (ours / PyTorch's) and peak memory; a ratio is held against its target, and a window with others at work is marked. */
const line = (
  { others_percent, ours, ratio_median, ratio_min, steal_percent, threads, torch, ...result }: StepResult,
  target: number
): string => {
  const number = (value: number | null | undefined, digits: number) => (value == null ? "-" : value.toFixed(digits))
  const cells = [
    String(threads),
    number(ours.min_ms, 0),
    number(ours.median_ms, 0),
    number(torch?.min_ms, 0),
    number(torch?.median_ms, 0),
    number(ratio_min, 3),
    number(ratio_median, 3),
    number(ours.peak_rss_mb, 0),
    number(torch?.peak_rss_mb, 0),
    String(result.rounds),
    `${(others_percent + steal_percent).toFixed(0)} %`
  ]
  const noise = isNoisy({ others_percent, steal_percent }) ? " (noisy)" : ""
  const verdict = ratio_median === null ? "" : ` ${ratio_median <= target ? "within" : "ABOVE"} ${target}${noise}`
  return [result.case.padEnd(26), ...cells.map((text) => cell(text, 9))].join(" ") + verdict
}

const threadsOf = (text: string): ReadonlyArray<number> => {
  const threads = text.split(",").map(Number)
  if (threads.some((count) => !Number.isInteger(count) || count < 1))
    throw new Error(`--threads ${text}: write 1 or 1,2`)
  return threads
}

/** `step [--quick] [--json FILE] [--threads 1,2] [--case TEXT]`: our steps beside PyTorch's. */
export const run = async (args: ReadonlyArray<string>): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      json: { type: "string" },
      threads: { type: "string", default: "1,2" },
      case: { type: "string", default: "" }
    }
  })
  const torch = torchEnvironment()
  console.log(`${heading()}, engine ${engineChoice().engine} ${engineChoice().version}`)
  if ("missing" in torch) console.log(torch.missing)
  console.log(`milliseconds a step; ratios are ours / PyTorch eager (SDPA, fused AdamW)\n${header}`)
  const folder = mkdtempSync(join(tmpdir(), "hone-bench-"))
  const results: Array<StepResult> = []
  try {
    const weights = join(folder, "minilm.safetensors")
    await writeMinilm(weights)
    for (const threads of threadsOf(values.threads)) {
      for (const wanted of stepCases.filter(({ name }) => name.includes(values.case))) {
        const sides = sidesOf(wanted, threads, weights, torch)
        results.push(await measure(wanted, threads, sides, values.quick ? quick : careful))
        console.log(line(results.at(-1)!, wanted.target))
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  console.log(`load at the end ${load().toFixed(2)}`)
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
}
