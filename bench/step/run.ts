import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { engineChoice, heading, isNoisy, load } from "../machine.ts"
import { torchEnvironment, type TorchEnvironment } from "../torch/environment.ts"
import { minilmCases, otherCases, type StepCase } from "./cases.ts"
import { configOf, makeBatch, writeWeights } from "./inputs.ts"
import { measure, type Pace, type Side, type StepResult } from "./window.ts"

const careful: Pace = { warm_up_steps: 3, quiet_rounds: 12, seconds: 60 }
const quick: Pace = { warm_up_steps: 2, quiet_rounds: 3, seconds: 8 }

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

interface Wanted {
  readonly threads: number
  readonly weights: string
  readonly torch: TorchEnvironment
  readonly compile: boolean
}

const sidesOf = (wanted: StepCase, { compile, threads, torch, weights }: Wanted): ReadonlyArray<Side> => {
  const open = { case: wanted, config: configOf(wanted), weights, batch: makeBatch(wanted), threads }
  const ours: Side = {
    name: "ours",
    command: process.execPath,
    args: [script("server.ts")],
    env: {},
    open: { ...open, engine: engineChoice() }
  }
  if ("missing" in torch) return [ours]
  const env = { OMP_NUM_THREADS: String(threads), MKL_NUM_THREADS: String(threads), HF_HUB_OFFLINE: "1" }
  const peer = { command: torch.python, args: [script("../torch/step_server.py")], env }
  const eager: Side = { ...peer, name: "torch", open }
  return compile ? [ours, eager, { ...peer, name: "compiled", open: { ...open, compiled: true } }] : [ours, eager]
}

const cell = (text: string, width: number): string => text.padStart(width)

const header = [
  "case".padEnd(27),
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
  target: number | null
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
  const held = target === null ? " no target" : ` ${ratio_median! <= target ? "within" : "ABOVE"} ${target}`
  const verdict = ratio_median === null ? "" : `${held}${noise}`
  const { compiled, compiled_ratio_median } = result
  const compilation =
    compiled === null
      ? ""
      : `\n${" ".repeat(27)} torch.compile: ${number(compiled.min_ms, 0)} / ${number(compiled.median_ms, 0)} ms, ratio of medians ${number(compiled_ratio_median, 3)}, RSS ${compiled.peak_rss_mb} MB`
  return [result.case.padEnd(27), ...cells.map((text) => cell(text, 9))].join(" ") + verdict + compilation
}

/** For MiniLM's program, from nothing to bytes. */
const BUILD_LIMIT_MS = 300

/** How long programs took to be made, of the cases that were run; MiniLM's has a limit. */
const buildLine = (results: ReadonlyArray<StepResult>): string => {
  const trained = results.filter((result) =>
    minilmCases.some(({ mode, name }) => mode === "train" && name === result.case)
  )
  if (trained.length === 0) return ""
  const worst = Math.max(...trained.map(({ built_ms, lowered_ms }) => built_ms + lowered_ms))
  const best = Math.min(...trained.map(({ built_ms, lowered_ms }) => built_ms + lowered_ms))
  return `MiniLM's graph was built and lowered in ${best.toFixed(0)} to ${worst.toFixed(0)} ms, cold (limit ${BUILD_LIMIT_MS})`
}

const threadsOf = (text: string): ReadonlyArray<number> => {
  const threads = text.split(",").map(Number)
  if (threads.some((count) => !Number.isInteger(count) || count < 1))
    throw new Error(`--threads ${text}: write 1 or 1,2`)
  return threads
}

/** Those whose name has the text in it; without one, all, or with `--quick` MiniLM's. */
const casesOf = ({ case: text, quick: isQuick }: { readonly case: string; readonly quick: boolean }) => {
  const all = isQuick && text === "" ? minilmCases : [...minilmCases, ...otherCases]
  const found = all.filter(({ name }) => name.includes(text))
  if (found.length > 0) return found
  throw new Error(`--case ${text}: no case has that in its name; there are ${all.map(({ name }) => name).join(", ")}`)
}

/** `step [--quick] [--json FILE] [--threads 1,2] [--case TEXT] [--compile]`: our steps beside PyTorch's. */
export const run = async (args: ReadonlyArray<string>): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      json: { type: "string" },
      threads: { type: "string", default: "1,2" },
      case: { type: "string", default: "" },
      compile: { type: "boolean", default: false }
    }
  })
  const torch = torchEnvironment()
  console.log(`${heading()}, engine ${engineChoice().engine} ${engineChoice().version}`)
  if ("missing" in torch) console.log(torch.missing)
  console.log(`milliseconds a step; ratios are ours / PyTorch eager (SDPA, fused AdamW)\n${header}`)
  const folder = mkdtempSync(join(tmpdir(), "hone-bench-"))
  const results: Array<StepResult> = []
  try {
    for (const threads of threadsOf(values.threads)) {
      for (const wanted of casesOf(values)) {
        const weights = join(folder, `${wanted.model}-${wanted.lora_rank}.safetensors`)
        if (!existsSync(weights)) await writeWeights(weights, wanted)
        const sides = sidesOf(wanted, { threads, weights, torch, compile: values.compile })
        results.push(await measure(wanted, threads, sides, values.quick ? quick : careful))
        console.log(line(results.at(-1)!, wanted.target))
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  const built = buildLine(results)
  if (built !== "") console.log(built)
  console.log(`load at the end ${load().toFixed(2)}`)
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
}
