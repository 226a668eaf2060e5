import { loadavg } from "node:os"
import type { EngineChoice } from "@hone/core/Stage"
import {
  classifierProgram,
  classifierWeights,
  bertWeights,
  costsOf,
  defaultAdamW,
  type EngineName,
  type Feeds,
  initialWeights,
  openEngine,
  parseBertConfig,
  type Session
} from "@hone/nn"
import type { Rate, Speed } from "./DoctorReport.ts"

/** The shape of all-MiniLM-L6-v2, on which the shipped pipelines run. */
const config = parseBertConfig({
  model_type: "bert",
  hidden_size: 384,
  num_hidden_layers: 6,
  num_attention_heads: 12,
  intermediate_size: 1536
})
const LENGTH = 64
const WARM_UP_STEPS = 2
/** A step of 16 rows takes the interpreter five seconds. */
const rowsFor = (engine: string): number => (engine === "wasm" || engine === "cpu" ? 4 : 16)

/**
 * Floating-point operations of `npm start` as far as time goes by them, and what it does beside: a run of 94 seconds, of which 84 in
 * the engine, on a machine that did 163 GFLOP/s. On wasm it takes fewer and shorter rows. See docs/experiments.md.
 */
const QUICK_START = { flops: 84 * 163e9, seconds: 10 }
const WASM_SHARE = (320 / 2300) * (64 / 128)

/** Seconds that the main job would take at a measured rate; a forecast within a third or so. */
export const quickStartSeconds = (engine: string, flopsPerSecond: number): number =>
  QUICK_START.seconds + (QUICK_START.flops * (engine === "wasm" ? WASM_SHARE : 1)) / flopsPerSecond

const feedsOf = (rows: number): Feeds => {
  const shape = [rows, LENGTH]
  const ids = Int32Array.from({ length: rows * LENGTH }, (_, at) => 1000 + ((at * 7919) % 29_000))
  return {
    input_ids: { data: ids, shape },
    attention_mask: { data: new Int32Array(ids.length).fill(1), shape },
    labels: Int32Array.from({ length: rows }, (_, row) => row % 2)
  }
}

/** Milliseconds of each call until the time is up, warm-up calls left out; two in any case. */
const timesOf = async (seconds: number, call: () => Promise<unknown>): Promise<ReadonlyArray<number>> => {
  const times: Array<number> = []
  const end = performance.now() + 1000 * seconds
  for (let calls = 0; times.length < 2 || performance.now() < end; calls++) {
    const start = performance.now()
    await call()
    if (calls >= WARM_UP_STEPS) times.push(performance.now() - start)
  }
  return times.sort((a, b) => a - b)
}

const rateOf = (times: ReadonlyArray<number>, tokens: number, flops: number): Rate => {
  const median = times[times.length >> 1]!
  return {
    tokens_per_second: (1000 * tokens) / median,
    flops_per_second: (1000 * flops) / median,
    calls: times.length,
    fastest_ms: times[0]!,
    median_ms: median
  }
}

const trainer = (session: Session, rows: number, feeds: Feeds) => {
  let optimizer_step = 0
  return () => {
    optimizer_step++
    const seed = Int32Array.of(7, optimizer_step)
    return session.run("train", { ...feeds, count: rows, learning_rate: 2e-5, optimizer_step, seed })
  }
}

/**
 * Trains and evaluates a model of MiniLM's shape on drawn weights for about so long, and says what this machine does in a second.
 * Fails with EngineUnavailable.
 */
export async function measureSpeed(choice: EngineChoice, seconds: number): Promise<Speed> {
  const { addon, engine, gpu, library, threads } = choice
  const rows = rowsFor(engine)
  const program = classifierProgram({
    config,
    head: { pooling: "mean", labels: 2 },
    trainable: () => true,
    optimizer: defaultAdamW,
    max_grad_norm: 1
  })
  const tensorflow = library === null ? undefined : { library, ...(addon === null ? {} : { addon }) }
  const opened = await openEngine({ engine: engine as EngineName, gpu, tensorflow, threads })
  const session = await opened.open(program)
  const used = new Set(program.parameters.map(({ name }) => name))
  const specs = [...bertWeights(config), ...classifierWeights(config, 2)].filter(({ name }) => used.has(name))
  await session.write(initialWeights(config, specs, 7))
  await session.run("init_optimizer", {})
  const feeds = feedsOf(rows)
  const { labels: _, ...inputs } = feeds
  const sizes = { batch: rows, length: LENGTH }
  const of = (times: ReadonlyArray<number>, name: string) =>
    rateOf(times, rows * LENGTH, costsOf(program, name, sizes).flops)
  const train = of(await timesOf(0.7 * seconds, trainer(session, rows, feeds)), "train")
  const infer = of(await timesOf(0.3 * seconds, () => session.run("predict", inputs)), "predict")
  await session.close()
  return {
    batch: `${rows} rows of ${LENGTH} tokens`,
    threads,
    load: loadavg()[0]!,
    train,
    infer,
    quick_start_seconds: quickStartSeconds(engine, (train.flops_per_second + infer.flops_per_second) / 2)
  }
}
