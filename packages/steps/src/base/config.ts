import { open } from "node:fs/promises"
import { join } from "node:path"
import { isRecord, type Json, type JsonObject } from "@hone/core/Json"
import { type BertConfig, parseBertConfig, UnsupportedConfig } from "@hone/nn/models/bert/config"
import type { Pooling } from "../artifacts/manifest.ts"
import type { Thresholds } from "../evaluate/decide.ts"
import { meanPooledArchitecture } from "../export/architecture.ts"
import { VALUE } from "../tensors/outputs.ts"

/** A `config.json` that no family here can compute, with the way out. */
export interface Unsupported {
  readonly problem: string
  readonly hint: string
}

/** A `config.json` that was understood. */
export interface Understood {
  readonly family: "bert"
  readonly bert: BertConfig
  /** As written: what the model artifact keeps. */
  readonly json: JsonObject
  /** Class names by index, where the checkpoint has a classifier. */
  readonly labels: ReadonlyArray<string> | null
  /** What that classifier reads of a row; null where there is none. */
  readonly pooling: Pooling | null
  /** What that classifier is for, by `problem_type`; null where there is none. */
  readonly task: string | null
  /** From which probability on labels are predicted, where `export` wrote it. */
  readonly thresholds: Thresholds | null
}

export const supported =
  "the BERT family is supported: BertModel and BertForSequenceClassification (BERT, MiniLM and the like), and what `hone export` wrote"
/** Heads of pre-training, which fine-tuning drops, as transformers does. */
const architectures = ["BertModel", "BertForMaskedLM", "BertForPreTraining"]
/** Classifiers, by what their head reads: transformers' own, and the one that `export` writes for a head on the mean. */
const classifiers: Readonly<Record<string, Pooling>> = {
  BertForSequenceClassification: "pooler",
  [meanPooledArchitecture]: "mean"
}

/** Class names in the order of their index; null unless `id2label` counts 0, 1, 2, ... */
const labelNames = (config: JsonObject): ReadonlyArray<string> | null => {
  const named = config["id2label"]
  if (!isRecord(named)) return null
  const names = Object.keys(named).map((_, index) => named[String(index)])
  return names.length > 0 && names.every((name) => typeof name === "string") ? (names as Array<string>) : null
}

const taskOf = ({ problem_type }: JsonObject): string =>
  problem_type === "regression"
    ? "text-regression"
    : problem_type === "multi_label_classification"
      ? "multi-label-classification"
      : "text-classification"

/** `decision_thresholds`; null where there are none. Throws UnsupportedConfig for such that say nothing about these labels. */
const thresholdsOf = (config: JsonObject, labels: ReadonlyArray<string> | null): Thresholds | null => {
  const given = config["decision_thresholds"]
  if (given === undefined || given === null || labels === null) return null
  const isSound = ([label, value]: readonly [string, Json]) =>
    labels.includes(label) && typeof value === "number" && value >= 0 && value <= 1
  if (isRecord(given) && Object.entries(given).every(isSound)) return given as Thresholds
  throw new UnsupportedConfig("decision_thresholds", given, `probabilities of some of the labels ${labels.join(", ")}`)
}

const architectureOf = (config: JsonObject): string | undefined => {
  const named = config["architectures"]
  return Array.isArray(named) && typeof named[0] === "string" ? named[0] : undefined
}

/** Bytes of a `config.json` that are read; real ones have a few thousand, or a million with as many class names. */
const LARGEST_CONFIG = 8 << 20

/** The text of a folder's `config.json`; undefined where there is none. What is too large for one is cut off, and so no JSON. */
export const configText = async (folder: string): Promise<string | undefined> => {
  const handle = await open(join(folder, "config.json")).catch(() => undefined)
  if (handle === undefined) return undefined
  try {
    const { size } = await handle.stat()
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.min(size, LARGEST_CONFIG)), 0, undefined, 0)
    return buffer.toString("utf8", 0, bytesRead)
  } catch {
    return undefined // a folder of that name
  } finally {
    await handle.close()
  }
}

/** Reads the text of a `config.json`, or says why it is none of a supported family. */
export const readConfig = (text: string): Understood | Unsupported => {
  try {
    const json = JSON.parse(text) as Json
    const bert = parseBertConfig(json)
    const config = json as JsonObject
    const architecture = architectureOf(config)
    const pooling = architecture === undefined ? undefined : classifiers[architecture]
    if (architecture !== undefined && pooling === undefined && !architectures.includes(architecture)) {
      return { problem: `config.json says architecture ${architecture}`, hint: supported }
    }
    const named = pooling === undefined ? null : labelNames(config)
    const task = named === null ? null : taskOf(config)
    // The one output of a regression has no name in Hugging Face's files, or a made-up one (LABEL_0).
    const labels = task === "text-regression" ? [VALUE] : named
    const thresholds = thresholdsOf(config, labels)
    return { family: "bert", bert, json: config, labels, pooling: pooling ?? null, task, thresholds }
  } catch (cause) {
    if (cause instanceof UnsupportedConfig) return { problem: cause.message, hint: supported }
    if (cause instanceof SyntaxError)
      return { problem: `config.json is no JSON: ${cause.message}`, hint: "download the folder again" }
    throw cause
  }
}

export const isUnsupported = (read: Understood | Unsupported): read is Unsupported => "problem" in read
