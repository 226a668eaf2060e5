// Our side of the step benchmark: the same requests and answers as torch/step_server.py.
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import type { EngineChoice } from "@hone/core/Stage"
import {
  classifierProgram,
  defaultAdamW,
  type EngineName,
  type Feeds,
  generate,
  generationProgram,
  type GenerationProgram,
  openEngine,
  openSafetensors,
  parseBertConfig,
  type Program,
  release,
  type Safetensors,
  type Session,
  supervisedTokens,
  trainingProgram,
  type TrainingProgram,
  trainsInLora,
  vectorsOf,
  withLora
} from "@hone/nn"
import { graphDef } from "@hone/nn/lower/graphDef"
import type { StepCase } from "./cases.ts"
import type { Batch } from "./inputs.ts"
import { causalOf, isCausal, LABELS, loraOf, shapes } from "./models.ts"

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
  readonly step: () => Promise<number>
  /** Of the batch, before the first step. */
  readonly loss: () => Promise<number>
}

/** Everything, or what lies behind so many blocks. */
const trainsBehind = (frozenBlocks: number) => (name: string) => {
  if (frozenBlocks === 0) return true
  const block = /^encoder\.layer\.(\d+)\./.exec(name)?.[1]
  return block === undefined ? !name.startsWith("embeddings.") : Number(block) >= frozenBlocks
}

const trainedProgram = ({ case: wanted, config }: OpenRequest): TrainingProgram => {
  const { lora_rank, max_grad_norm, model, weight_decay } = wanted
  if (model === "minilm") {
    return classifierProgram({
      config: parseBertConfig(config),
      head: { pooling: "mean", labels: LABELS },
      trainable: trainsBehind(wanted.frozen_blocks),
      optimizer: { ...defaultAdamW, weight_decay },
      max_grad_norm
    })
  }
  const plain = shapes[model].network(config)
  const network = lora_rank === 0 ? plain : withLora(plain, loraOf(lora_rank))
  return trainingProgram({
    network,
    trainable: lora_rank === 0 ? () => true : trainsInLora(loraOf(lora_rank)),
    optimizer: { ...defaultAdamW, weight_decay, no_decay: vectorsOf(network) },
    max_grad_norm
  })
}

const feedsOf = async ({ batch, case: { model } }: OpenRequest, file: Safetensors): Promise<Feeds> => {
  const ids = Object.entries({ ...batch.inputs, labels: batch.labels }).map(
    ([name, { data, shape }]) => [name, { data: Int32Array.from(data), shape }] as const
  )
  const feeds: Feeds = Object.fromEntries(ids)
  const { input_ids } = batch.inputs
  if (model === "bert-base")
    return { ...feeds, token_type_ids: { data: new Int32Array(input_ids!.data.length), shape: input_ids!.shape } }
  if (model !== "vit-s14") return feeds
  const name = "inputs.pixel_values"
  return { ...feeds, pixel_values: { data: await file.read(name), shape: file.tensors.get(name)!.shape } }
}

/** Feeds of a prediction: without labels, but for a decoder, which reads them one place later. */
const predicted = ({ batch, case: { model } }: OpenRequest, { labels: _, ...feeds }: Feeds): Feeds => {
  if (model !== "t5-small") return feeds
  const { data, shape } = batch.labels
  const [, length] = shape as readonly [number, number]
  const shifted = Int32Array.from(data, (_token, at) => (at % length === 0 ? 0 : data[at - 1]!))
  return { ...feeds, decoder_input_ids: { data: shifted, shape } }
}

/** What the sum of losses is divided by. */
const countOf = ({ batch: { labels }, case: { length, model } }: OpenRequest): number =>
  isCausal(model)
    ? supervisedTokens(labels.data, length)
    : labels.data.reduce((count, label) => count + (label === -100 ? 0 : 1), 0)

/** Read one by one, as the engine takes them. */
async function* weightsOf({ parameters }: TrainingProgram | GenerationProgram, file: Safetensors) {
  for (const { name } of parameters) yield [name, await file.read(name)] as const
}

const opener = async (request: OpenRequest) => {
  const { addon, engine: name, library } = request.engine
  const tensorflow = library === null ? undefined : { library, ...(addon === null ? {} : { addon }) }
  const engine = await openEngine({ engine: name as EngineName, tensorflow, threads: request.threads })
  return async (program: TrainingProgram | GenerationProgram, file: Safetensors): Promise<Session> => {
    const session = await engine.open(program)
    await session.write(weightsOf(program, file))
    return session
  }
}

/** Steps of training, or evaluations. */
const openTraining = async (request: OpenRequest, program: TrainingProgram): Promise<Opened> => {
  await using file = await openSafetensors(request.weights)
  const session = await (await opener(request))(program, file)
  if (request.case.mode === "train") await session.run("init_optimizer", {})
  const feeds = await feedsOf(request, file)
  const inputs = predicted(request, feeds)
  const count = countOf(request)
  const { case: wanted } = request
  let optimizerStep = 0
  const loss = async () => {
    const out = await session.run("eval", feeds)
    const sum = (out["losses"] as Float32Array).reduce((total, one) => total + one, 0)
    release(out)
    return sum / count
  }
  const train = async () => {
    optimizerStep++
    const out = await session.run("train", {
      ...feeds,
      count,
      learning_rate: wanted.learning_rate,
      optimizer_step: optimizerStep,
      seed: Int32Array.of(7, optimizerStep)
    })
    return out["loss"]![0]!
  }
  const infer = async () => {
    const out = await session.run("predict", inputs)
    const [first] = out["logits"]!
    release(out)
    return first!
  }
  return { session, loss, step: wanted.mode === "train" ? train : infer }
}

/** Whole answers, greedy; the loss that is compared is the mean square of the logits that follow the prompt. */
const openWriting = async (request: OpenRequest, program: GenerationProgram): Promise<Opened> => {
  await using file = await openSafetensors(request.weights)
  const session = await (await opener(request))(program, file)
  const { new_tokens } = request.case
  const { attention_mask, input_ids } = await feedsOf(request, file)
  const prompt = [...(input_ids as { readonly data: Int32Array }).data]
  const loss = async () => {
    const { logits } = await session.run("prefill", { input_ids: input_ids!, attention_mask: attention_mask! })
    return (logits as Float32Array).reduce((sum, value) => sum + value * value, 0) / logits!.length
  }
  const step = async () => {
    const [answer] = await generate(session, program, [prompt], { max_new_tokens: new_tokens, pad_token_id: 0 })
    return answer!.at(-1)!
  }
  return { session, loss, step }
}

const isWriting = ({ mode }: StepCase): boolean => mode === "generate"

/** Builds the program as the first thing in the process, and lowers it: what a user waits for beside the weights. */
const open = async (request: OpenRequest) => {
  const { case: wanted } = request
  const started = performance.now()
  const program: Program = isWriting(wanted)
    ? generationProgram(causalOf(wanted.model as "gpt2", request.config), {
        batch: wanted.rows,
        capacity: wanted.length + wanted.new_tokens
      })
    : trainedProgram(request)
  const built = performance.now()
  graphDef(program.graph)
  const times = { built_ms: built - started, lowered_ms: performance.now() - built }
  opened = isWriting(wanted)
    ? await openWriting(request, program as GenerationProgram)
    : await openTraining(request, program as TrainingProgram)
  return { loss: await opened.loss(), ...times }
}

const peakRssMb = (): number => Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]) / 1024

const steps = async ({ step }: Opened, count: number) => {
  const ms: Array<number> = []
  let last = 0
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    last = await step()
    ms.push(performance.now() - start)
  }
  return { ms, last, peak_rss_mb: peakRssMb() }
}

let opened: Opened | undefined
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as { readonly open?: OpenRequest; readonly steps?: number }
  console.log(
    JSON.stringify(request.open === undefined ? await steps(opened!, request.steps!) : await open(request.open))
  )
}
