import { createHash } from "node:crypto"
import { fingerprint } from "@hone/core/Canonical"
import type { Json, JsonObject } from "@hone/core/Json"
import type { Facts } from "@hone/core/Step"

/** Which part of a model a user wants trained. `head` is what stands behind the last block: pooler and classifier. */
export type Strategy = "full" | "head" | { readonly partial: { readonly last_blocks: number } }

/** Blocks that stay as they are under a strategy, counted from the input; below 0 where `partial` asks for more blocks than there are. */
export const frozenBlocksOf = (strategy: Strategy, blocks: number): number => {
  if (strategy === "full") return 0
  return strategy === "head" ? blocks : blocks - strategy.partial.last_blocks
}

/** How one vector is made of a row's hidden states: their mean over the real tokens, or BERT's tanh layer on the first. */
export type Pooling = "mean" | "pooler"

export interface Head {
  readonly pooling: Pooling
  /** Class names in the order of the rows of `classifier.weight`. */
  readonly labels: ReadonlyArray<string>
  /** Probability with which an element in front of the classifier is dropped while training. */
  readonly dropout: number
  /**
   * From which probability on a label is predicted, by its name, where not by the highest score, or a half: chosen on validation rows
   * when the model was exported. Absent in every model that training made.
   */
  readonly thresholds?: Readonly<Record<string, number>>
}

/** What a model is beside its tensors. Part of its content digest, so nothing volatile (time, path) may enter it. */
export interface ModelManifest {
  readonly format: "hone-model/1"
  readonly family: "bert"
  /** `config.json` as read: widths, heads, activation. */
  readonly config: JsonObject
  readonly task: string | null
  readonly head: Head | null
  /** What the tokenizer of this model is: tokens made by another one are refused. */
  readonly tokenizer: string | null
  /** Absent until a `freeze` step chose. */
  readonly trainable: { readonly strategy: Strategy; readonly frozen_blocks: number } | null
  /** Content digest of the pre-trained model that it comes from; null for a pre-trained one. */
  readonly base: string | null
}

/** A tensor as the artifact lists it. `digest` covers name, dtype, shape and bytes. */
export interface TensorEntry {
  readonly name: string
  readonly dtype: "float32"
  readonly shape: ReadonlyArray<number>
  readonly digest: string
}

/**
 * Where a tensor stands in the network: in front of the blocks, in block n (from 0), or behind them. `pretraining` are the heads that
 * guess masked tokens and next sentences: `objective: mlm` reads and trains them, a classifier leaves them behind.
 */
export type Place = "embeddings" | number | "pooler" | "head" | "pretraining"

/** Reads the place off a name as Hugging Face writes it (without the `bert.` in front). Undefined for a name of no known part. */
export const placeOf = (name: string): Place | undefined => {
  const block = /^encoder\.layer\.(\d+)\./.exec(name)
  if (block !== null) return Number(block[1])
  if (name.startsWith("embeddings.")) return "embeddings"
  if (name.startsWith("pooler.")) return "pooler"
  if (name.startsWith("cls.")) return "pretraining"
  return name.startsWith("classifier.") ? "head" : undefined
}

export const elements = (shape: ReadonlyArray<number>): number => shape.reduce((product, dim) => product * dim, 1)

/** SHA-256 of a tensor with its name, dtype and shape. `bytes` are little-endian, row-major. */
export const tensorDigest = (name: string, shape: ReadonlyArray<number>, bytes: Uint8Array): string =>
  createHash("sha256")
    .update(`hone-tensor/1\0${fingerprint("hone-tensor/1", { name, dtype: "float32", shape })}`)
    .update(bytes)
    .digest("hex")

const sorted = (tensors: ReadonlyArray<TensorEntry>) =>
  [...tensors].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))

/** Content digest of a model: the same however its tensors are spread over files. */
export const modelContent = (manifest: ModelManifest, tensors: ReadonlyArray<TensorEntry>): string =>
  fingerprint("hone-model/1", {
    manifest: manifest as unknown as Json,
    tensors: sorted(tensors).map(({ digest }) => digest)
  })

/** The fields of a BERT `config.json` that change what a block computes in evaluation; dropout rates and counts do not. */
const forwardFields = [
  "hidden_act",
  "hidden_size",
  "intermediate_size",
  "layer_norm_eps",
  "model_type",
  "num_attention_heads",
  "position_embedding_type"
]

/**
 * Digests of what stands in front of each cut: `prefix/K` covers the embeddings and the blocks below K, for K = 0 to `blocks`.
 * Models that differ only behind the cut (another head, other tuned blocks) share it. `pooled/mean` and `pooled/cls` are the
 * last of them with how one vector a row is made.
 */
export const prefixViews = (manifest: ModelManifest, tensors: ReadonlyArray<TensorEntry>): Record<string, string> => {
  const config = Object.fromEntries(forwardFields.map((field) => [field, manifest.config[field] ?? null]))
  const views: Record<string, string> = {}
  for (let cut = 0; cut <= blocksOf(manifest); cut++) {
    const inFront = sorted(tensors).filter(({ name }) => {
      const place = placeOf(name)
      return place === "embeddings" || (typeof place === "number" && place < cut)
    })
    views[`prefix/${cut}`] = fingerprint("hone-prefix/1", { config, cut, tensors: inFront.map(({ digest }) => digest) })
  }
  const last = views[`prefix/${blocksOf(manifest)}`]!
  for (const pooled of ["mean", "cls"])
    views[`pooled/${pooled}`] = fingerprint("hone-pooled/1", { prefix: last, pooled })
  return views
}

export const blocksOf = (manifest: ModelManifest): number => Number(manifest.config["num_hidden_layers"])

/**
 * Whether a tensor is changed by training under `manifest.trainable` (everything, where nothing was frozen). The pooler trains
 * only where the head reads it: a mean-pooled head leaves it as it was.
 */
export const isTrainable = (manifest: Pick<ModelManifest, "trainable">, pooling: Pooling, name: string): boolean => {
  const place = placeOf(name)
  if (place === "head") return true
  if (place === "pooler") return pooling === "pooler"
  if (place === "pretraining") return false
  const { frozen_blocks, strategy } = manifest.trainable ?? { frozen_blocks: 0, strategy: "full" }
  if (place === "embeddings") return strategy === "full"
  return typeof place === "number" && place >= frozen_blocks
}

/** What planning knows of a model: small JSON in the action record. */
export const modelFacts = (manifest: ModelManifest, tensors: ReadonlyArray<TensorEntry>): Facts => {
  const pooling = manifest.head?.pooling ?? "mean"
  const count = (kept: (entry: TensorEntry) => boolean) =>
    tensors.filter(kept).reduce((total, { shape }) => total + elements(shape), 0)
  return {
    family: manifest.family,
    hidden_size: manifest.config["hidden_size"] ?? null,
    blocks: blocksOf(manifest),
    parameters: count(() => true),
    trainable_parameters: count(({ name }) => isTrainable(manifest, pooling, name)),
    frozen_blocks: manifest.trainable?.frozen_blocks ?? 0,
    strategy: (manifest.trainable?.strategy ?? "full") as Json,
    task: manifest.task,
    labels: manifest.head === null ? null : [...manifest.head.labels],
    head: manifest.head?.pooling ?? null,
    tokenizer: manifest.tokenizer,
    base: manifest.base
  }
}
