// Our side of the step benchmark: the same requests and answers as torch/step_server.py.
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import type { EngineChoice } from "@hone/core/Stage"
import {
  classifierProgram,
  defaultAdamW,
  type EngineName,
  type Feeds,
  openEngine,
  openSafetensors,
  parseBertConfig,
  type Session
} from "@hone/nn"
import type { StepCase } from "./cases.ts"
import type { Batch } from "./inputs.ts"

export interface OpenRequest {
  readonly case: StepCase
  readonly config: unknown
  readonly weights: string
  readonly batch: Batch
  readonly threads: number
  readonly engine: EngineChoice
}

interface Opened {
  readonly session: Session
  readonly case: StepCase
  readonly feeds: Feeds
}

/** Everything, or what lies behind so many blocks. */
const trainsBehind = (frozenBlocks: number) => (name: string) => {
  if (frozenBlocks === 0) return true
  const block = /^encoder\.layer\.(\d+)\./.exec(name)?.[1]
  return block === undefined ? !name.startsWith("embeddings.") : Number(block) >= frozenBlocks
}

const programOf = ({ case: wanted, config }: OpenRequest) =>
  classifierProgram({
    config: parseBertConfig(config),
    head: { pooling: "mean", labels: 2 },
    trainable: trainsBehind(wanted.frozen_blocks),
    dropout: { hidden: wanted.dropout, attention: wanted.dropout },
    optimizer: { ...defaultAdamW, weight_decay: wanted.weight_decay },
    max_grad_norm: wanted.max_grad_norm
  })

const feedsOf = ({ batch, case: { length, rows } }: OpenRequest): Feeds => ({
  input_ids: { data: Int32Array.from(batch.input_ids), shape: [rows, length] },
  attention_mask: { data: Int32Array.from(batch.attention_mask), shape: [rows, length] },
  labels: Int32Array.from(batch.labels)
})

const open = async (request: OpenRequest): Promise<Opened> => {
  const { addon, engine: name, library } = request.engine
  const tensorflow = library === null ? undefined : { library, ...(addon === null ? {} : { addon }) }
  const engine = await openEngine({ engine: name as EngineName, tensorflow, threads: request.threads })
  const program = programOf(request)
  const session = await engine.open(program)
  await using file = await openSafetensors(request.weights)
  const weights = new Map<string, Float32Array>()
  for (const { name: parameter } of program.parameters) weights.set(parameter, await file.read(parameter))
  await session.write(weights)
  await session.run("init_optimizer", {})
  return { session, case: request.case, feeds: feedsOf(request) }
}

const lossOf = async ({ feeds, session }: Opened): Promise<number> => {
  const losses = (await session.run("eval", feeds))["losses"]! as Float32Array
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length
}

let optimizerStep = 0

const step = async ({ case: wanted, feeds, session }: Opened): Promise<number> => {
  if (wanted.mode === "infer") return (await session.run("eval", feeds))["logits"]![0]!
  optimizerStep++
  const out = await session.run("train", {
    ...feeds,
    count: wanted.rows,
    learning_rate: wanted.learning_rate,
    optimizer_step: optimizerStep,
    seed: Int32Array.of(7, optimizerStep)
  })
  return out["loss"]![0]!
}

const peakRssMb = (): number => Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]) / 1024

const steps = async (opened: Opened, count: number) => {
  const ms: Array<number> = []
  let last = 0
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    last = await step(opened)
    ms.push(performance.now() - start)
  }
  return { ms, last, peak_rss_mb: peakRssMb() }
}

let opened: Opened | undefined
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as { readonly open?: OpenRequest; readonly steps?: number }
  if (request.open !== undefined) {
    opened = await open(request.open)
    console.log(JSON.stringify({ loss: await lossOf(opened) }))
  } else {
    console.log(JSON.stringify(await steps(opened!, request.steps!)))
  }
}
