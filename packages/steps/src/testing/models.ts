import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { InputArtifact, StageContext } from "@hone/core/Stage"
import { type BertConfig, bertWeights, classifierWeights, initialWeights, parseBertConfig } from "@hone/nn"
import type { Head, ModelManifest, Strategy } from "../artifacts/manifest.ts"
import { type Tensor, writeModel } from "../artifacts/model.ts"
import {
  bool,
  float64,
  int32,
  labelDictionary,
  labels,
  listInt32,
  listUtf8,
  offsetsOf,
  utf8
} from "../arrow/columns.ts"
import { writeTable } from "../arrow/writer.ts"
import { viewsOf } from "../rows/views.ts"
import { type Bench, folderIn, keep } from "./context.ts"

const engineFile =
  process.env["HONE_ENGINE_FILE"] ??
  fileURLToPath(new URL("../../../../node_modules/.cache/hone/engine.json", import.meta.url))

/** The interpreter, which runs everywhere, and on tiny models is ready long before TensorFlow is. */
export const testEngine: StageContext["engine"] = {
  engine: "wasm",
  version: "4.22.0",
  library: null,
  addon: null,
  numerics: { class: "wasm", version: "4.22.0", dtype: "float32" },
  device: "cpu",
  threads: 1
}

/** The engine that set-up chose, where that is a native one. */
export const nativeEngine = (): StageContext["engine"] | undefined => {
  const chosen = existsSync(engineFile)
    ? (JSON.parse(readFileSync(engineFile, "utf8")) as StageContext["engine"])
    : undefined
  return chosen?.library == null ? undefined : chosen
}

/** A BERT small enough that a step takes milliseconds. */
export const tinyConfig = {
  model_type: "bert",
  vocab_size: 40,
  hidden_size: 16,
  num_hidden_layers: 3,
  num_attention_heads: 2,
  intermediate_size: 32,
  max_position_embeddings: 24,
  initializer_range: 0.2,
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1
}

let made = 0
const freshFolder = (bench: Bench, name: string) => folderIn(bench, `${name}-${made++}`)

export interface TinyModel {
  readonly strategy?: Strategy
  readonly frozen_blocks?: number
  readonly head?: Head
  /** What the head is for. */
  readonly task?: string
  readonly seed?: number
  readonly tokenizer?: string
}

const named = (
  specs: ReadonlyArray<{ readonly name: string; readonly shape: ReadonlyArray<number> }>,
  config: BertConfig,
  seed: number
) => {
  const values = initialWeights(config, specs, seed)
  return specs.map(({ name, shape }): [string, Tensor] => [name, { shape, values: values.get(name)! }])
}

/** A model artifact with random weights. */
export const tinyModel = (bench: Bench, options: TinyModel = {}): InputArtifact => {
  const config = parseBertConfig(tinyConfig)
  const specs = [
    ...bertWeights(config),
    ...(options.head === undefined ? [] : classifierWeights(config, options.head.labels.length))
  ]
  const manifest: ModelManifest = {
    format: "hone-model/1",
    family: "bert",
    config: tinyConfig,
    task: options.task ?? null,
    head: options.head ?? null,
    tokenizer: options.tokenizer ?? null,
    trainable:
      options.strategy === undefined ? null : { strategy: options.strategy, frozen_blocks: options.frozen_blocks ?? 0 },
    base: null
  }
  const folder = freshFolder(bench, "tiny-model")
  const tensors = new Map(named(specs, config, options.seed ?? 1))
  return keep(bench, folder, writeModel({ folder, file: "model.arrow", manifest, tensors }))
}

export interface TinyRow {
  readonly row_id: string
  /** A class; several labels; a number. All rows of a table alike. */
  readonly label: string | ReadonlyArray<string> | number
  readonly input_ids: ReadonlyArray<number>
  /** For a pair: tokens of the second text, from this place on. */
  readonly second?: number
}

/** Rows whose label a model can learn: it says which of two tokens stands in the row. Lengths vary from 4 to 15. */
export const tinyRows = (count: number, first = 0): ReadonlyArray<TinyRow & { readonly label: string }> =>
  Array.from({ length: count }, (_, index) => {
    const row = first + index
    const label = (row * 7919) % 13 < 6 ? "neg" : "pos"
    const filler = Array.from({ length: 2 + ((row * 31) % 12) }, (_, at) => 6 + ((row * 17 + at * 29) % 34))
    return { row_id: `row${row}`, label, input_ids: [1, label === "pos" ? 4 : 5, ...filler] }
  })

const labelColumnOf = (rows: ReadonlyArray<TinyRow>, declared: ReadonlyArray<string> | undefined) => {
  const given = rows.map(({ label }) => label)
  if (typeof given[0] === "number")
    return { column: float64(Float64Array.from(given as ReadonlyArray<number>)), names: [] }
  const names = declared ?? [...new Set(given.flat() as ReadonlyArray<string>)].sort()
  if (Array.isArray(given[0])) return { column: listUtf8(given as ReadonlyArray<ReadonlyArray<string>>), names }
  const dictionary = labelDictionary(names)
  const indices = Int32Array.from(given, (label) => dictionary.names.indexOf(label as string))
  return { column: labels(indices, dictionary), names: dictionary.names }
}

const pairColumns = (rows: ReadonlyArray<TinyRow>, offsets: Int32Array) => {
  const half = ({ input_ids, second }: TinyRow, at: 0 | 1) =>
    (at === 0 ? input_ids.slice(0, second) : input_ids.slice(second)).join(" ")
  const types = rows.flatMap(({ input_ids, second }) => input_ids.map((_, at) => (at >= second! ? 1 : 0)))
  return {
    text_a: utf8(rows.map((row) => half(row, 0))),
    text_b: utf8(rows.map((row) => half(row, 1))),
    token_type_ids: listInt32(Int32Array.from(types), offsets)
  }
}

/** A tokens artifact of these rows. */
export const tokensArtifact = (
  bench: Bench,
  rows: ReadonlyArray<TinyRow>,
  options: { readonly labels?: ReadonlyArray<string>; readonly tokenizer?: string } = {}
): InputArtifact => {
  const label = labelColumnOf(rows, options.labels)
  const lengths = rows.map(({ input_ids }) => input_ids.length)
  const offsets = offsetsOf(lengths)
  const isPair = rows[0]?.second !== undefined
  const columns = {
    row_id: utf8(rows.map(({ row_id }) => row_id)),
    ...(isPair ? pairColumns(rows, offsets) : { text: utf8(rows.map(({ input_ids }) => input_ids.join(" "))) }),
    label: label.column,
    input_ids: listInt32(Int32Array.from(rows.flatMap(({ input_ids }) => input_ids)), offsets),
    length: int32(Int32Array.from(lengths)),
    truncated: bool(rows.map(() => false))
  }
  const folder = freshFolder(bench, "tokens")
  const isSeveral = Array.isArray(rows[0]?.label)
  const output = writeTable(folder, "tokens.arrow", columns, {
    facts: {
      rows: rows.length,
      tokens: lengths.reduce((total, length) => total + length, 0),
      labels: label.names,
      ...(options.tokenizer === undefined ? {} : { tokenizer: options.tokenizer })
    },
    ...(isSeveral ? { metadata: { "hone.labels": JSON.stringify(label.names) } } : {}),
    views: viewsOf(Object.keys(columns))
  })
  return keep(bench, folder, output)
}
