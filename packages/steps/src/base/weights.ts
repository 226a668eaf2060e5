import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { StageError } from "@hone/core/Stage"
import {
  type BertConfig,
  bertWeights,
  canonicalName,
  classifierWeights,
  maskedLmWeights,
  matchWeights,
  nextSentenceWeights,
  poolerWeights,
  type WeightMatch,
  type WeightSpec
} from "@hone/nn"
import { BadSafetensors, openSafetensors, type Safetensors } from "@hone/nn/weights/safetensors"
import { Effect, type Scope } from "effect"
import type { Tensor } from "../artifacts/model.ts"

export interface Weights {
  /** Under the model's names, widened to float32 exactly. */
  readonly tensors: ReadonlyMap<string, Tensor>
  readonly warnings: ReadonlyArray<string>
}

const fail = (code: string, message: string, hint: string) => Effect.fail(new StageError({ code, message, hint }))

/** The files that hold the weights: model.safetensors alone, the shards of one, or the only file named model.*.safetensors. */
const weightFiles = Effect.fnUntraced(function* (folder: string, spec: string) {
  const names = (yield* Effect.promise(() => readdir(folder)))
    .filter((name) => /^model.*\.safetensors$/.test(name))
    .sort()
  if (names.includes("model.safetensors")) return ["model.safetensors"]
  const shards = names.filter((name) => /-\d{5}-of-\d{5}\.safetensors$/.test(name))
  if (shards.length > 0) return shards
  if (names.length === 1) return names
  return yield* names.length === 0
    ? fail(
        "no_weights",
        `${spec} has no model.safetensors`,
        "save the model in that format: model.save_pretrained(folder, safe_serialization=True); pickled weights (pytorch_model.bin) are not read, since they run code"
      )
    : fail(
        "several_weights",
        `${spec} has several files of weights: ${names.join(", ")}`,
        "leave one, or name it model.safetensors"
      )
})

const openFile = (path: string, name: string): Effect.Effect<Safetensors, StageError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tryPromise({ try: () => openSafetensors(path), catch: (cause) => badFile(name, cause) }),
    (file) => Effect.promise(() => file.close())
  )

const badFile = (name: string, cause: unknown): StageError => {
  if (!(cause instanceof BadSafetensors)) throw cause
  return new StageError({ code: "bad_weights", message: `${name}: ${cause.message}`, hint: "download the file again" })
}

/** Of a head of pre-training. */
const isPreTrainingHead = (name: string): boolean => name.startsWith("cls.")

/** Other names of the head that guesses: its decoder is tied to the word embeddings, and its bias the decoder's. */
const DECODER = "cls.predictions.decoder.weight"
const DECODER_BIAS = "cls.predictions.decoder.bias"
const EMBEDDINGS = "embeddings.word_embeddings.weight"

interface KeptHeads {
  /** What is kept, by the model's name, with the file's. */
  readonly kept: ReadonlyArray<{ readonly spec: WeightSpec; readonly fileName: string }>
  readonly leftOut: ReadonlyArray<string>
}

/** Those heads of pre-training that are here whole. */
const keptHeads = (config: BertConfig, heads: ReadonlyArray<WeightSpec>, isTied: boolean): KeptHeads => {
  const byName = new Map(heads.map((spec) => [canonicalName(spec.name), spec]))
  const bias = byName.get(DECODER_BIAS)
  if (bias !== undefined && !byName.has("cls.predictions.bias")) byName.set("cls.predictions.bias", bias)
  const groups = [...(isTied ? [maskedLmWeights(config)] : []), nextSentenceWeights(config)]
  const kept = groups.flatMap((specs) => {
    const found = specs.flatMap((spec) => {
      const own = byName.get(spec.name)
      return own?.shape.join() === spec.shape.join() ? [{ spec, fileName: own.name }] : []
    })
    return found.length === specs.length ? found : []
  })
  const used = new Set([...kept.map(({ fileName }) => fileName)])
  const hasPredictions = kept.some(({ spec }) => spec.name.startsWith("cls.predictions."))
  const isAlias = (name: string) => hasPredictions && [DECODER, DECODER_BIAS].includes(name)
  return { kept, leftOut: heads.flatMap(({ name }) => (used.has(name) || isAlias(name) ? [] : [name])) }
}

const needed = (config: BertConfig, labels: number | null, present: ReadonlySet<string>): ReadonlyArray<WeightSpec> => {
  const pooler = poolerWeights(config)
  const withoutPooler = pooler.every(({ name }) => !present.has(name))
  const body = bertWeights(config).filter(({ name }) => !withoutPooler || !pooler.some((spec) => spec.name === name))
  return labels === null ? body : [...body, ...classifierWeights(config, labels)]
}

const shown = (names: ReadonlyArray<string>): string =>
  names.length > 8 ? `${names.slice(0, 8).join(", ")} and ${names.length - 8} more` : names.join(", ")

/** Everything that does not fit, in one sentence each; empty where all fits. */
const misfits = ({ leftOver, missing, wrongShape }: WeightMatch): ReadonlyArray<string> => [
  ...(missing.length === 0 ? [] : [`missing: ${shown(missing)}`]),
  ...(leftOver.length === 0 ? [] : [`left over: ${shown(leftOver)}`]),
  ...wrongShape.map(
    ({ actual, expected, name }) => `${name} is [${actual.join(", ")}] and must be [${expected.join(", ")}]`
  )
]

const sameValues = (a: Float32Array, b: Float32Array): boolean =>
  a.length === b.length && a.every((value, at) => value === b[at])

/**
 * Reads the weights of a BERT from a folder. Names and shapes must be those of the config; buffers may be there besides, and heads
 * of pre-training, which are kept where they are whole and tied. Fails by StageError `no_weights`, `several_weights`, `bad_weights`, `weights_mismatch`.
 * @param labels classes of the checkpoint's own head, null where it has none
 */
export const readWeights = Effect.fnUntraced(function* (
  folder: string,
  spec: string,
  config: BertConfig,
  labels: number | null
) {
  const files = new Map<string, Safetensors>()
  const specs: Array<WeightSpec> = []
  for (const name of yield* weightFiles(folder, spec)) {
    const file = yield* openFile(join(folder, name), name)
    for (const tensor of file.tensors.values()) {
      if (files.has(tensor.name))
        return yield* fail(
          "bad_weights",
          `${name}: ${tensor.name} is in another shard too`,
          "download the folder again"
        )
      files.set(tensor.name, file)
      specs.push(tensor)
    }
  }
  const heads = specs.filter(({ name }) => isPreTrainingHead(name))
  const own = specs.filter(({ name }) => !isPreTrainingHead(name))
  // A config may say anything: two thousand million blocks would fill the memory with names to look for.
  if (config.num_hidden_layers > own.length)
    return yield* fail(
      "weights_mismatch",
      `config.json of ${spec} says ${config.num_hidden_layers} blocks, and its weights hold ${own.length} tensors in all`,
      "take config.json and weights from one model"
    )
  const wanted = needed(config, labels, new Set(own.map(({ name }) => canonicalName(name))))
  const match = matchWeights(wanted, own)
  const problems = misfits(match)
  if (problems.length > 0) {
    return yield* fail(
      "weights_mismatch",
      `the weights of ${spec} are not those of its config.json\n  ${problems.join("\n  ")}`,
      "take config.json and weights from one model"
    )
  }
  const read = (fileName: string) =>
    Effect.tryPromise({
      try: () => files.get(fileName)!.read(fileName),
      catch: (cause) => badFile(fileName, cause)
    })
  const tensors = new Map<string, Tensor>()
  for (const { name, shape } of wanted) tensors.set(name, { shape, values: yield* read(match.found.get(name)!) })
  const isTied = !files.has(DECODER) || sameValues(yield* read(DECODER), tensors.get(EMBEDDINGS)!.values)
  const { kept, leftOut } = keptHeads(config, heads, isTied)
  for (const { fileName, spec } of kept) tensors.set(spec.name, { shape: spec.shape, values: yield* read(fileName) })
  const why = isTied ? "" : " (the decoder is not tied to the word embeddings)"
  const warnings = leftOut.length === 0 ? [] : [`heads of pre-training are left out${why}: ${shown(leftOut)}`]
  const weights: Weights = { tensors, warnings }
  return weights
}, Effect.scoped)
