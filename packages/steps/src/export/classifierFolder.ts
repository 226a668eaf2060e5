import { type InputArtifact, type StageContext, StageError } from "@hone/core/Stage"
import { elements, type ModelManifest } from "../artifacts/manifest.ts"
import { type Model, readModel } from "../artifacts/model.ts"
import type { Thresholds } from "../evaluate/decide.ts"
import { modelCard } from "./card.ts"
import { exportConfig, headOf, refuseOneLabel } from "./config.ts"
import { type FolderFile, jsonFile, textFile } from "./files.ts"
import { modelingModule, modelingSource } from "./modelingHone.ts"
import type { ExportParams } from "./params.ts"
import { tokenizerFiles } from "./tokenizerFiles.ts"
import { exportedTensors, weightsFile } from "./weights.ts"

/** What an export reads: the artifacts at the ports of the `export` step. */
export interface ExportInputs {
  readonly params: ExportParams
  readonly model: InputArtifact
  readonly tokenizer: InputArtifact
  readonly train?: InputArtifact | undefined
  readonly metrics?: InputArtifact | undefined
  readonly comparison?: InputArtifact | undefined
  readonly blobPath: StageContext["blobPath"]
}

export interface ClassifierFolder {
  /** In the order of their names. */
  readonly files: ReadonlyArray<FolderFile>
  readonly model: Model
  readonly parameters: number
}

/**
 * The files of a Hugging Face folder of a classifier. Fails by StageError: `no_head`, `one_label`, `tokenizer_mismatch` where the tokenizer is
 * not the one that the model was trained with, `metrics_of_another_model`, and as the readers of artifacts do.
 */
export const classifierFolder = (inputs: ExportInputs): ClassifierFolder => {
  const model = readModel(inputs.model, inputs.blobPath)
  const { pooling } = headOf(model.manifest)
  refuseOneLabel(model.manifest)
  checkTokenizer(model, inputs.tokenizer)
  checkMetrics(model, inputs.metrics)
  const manifest = withThresholds(model.manifest, inputs.metrics)
  const parameters = exportedTensors(model).reduce((total, { shape }) => total + elements(shape), 0)
  const card = modelCard({
    params: inputs.params,
    manifest,
    content: model.content,
    parameters,
    train: inputs.train,
    metrics: inputs.metrics?.facts,
    comparison: inputs.comparison?.facts
  })
  const files = [
    jsonFile("config.json", exportConfig(manifest)),
    weightsFile(model),
    textFile("README.md", card),
    ...tokenizerFiles(inputs.tokenizer),
    ...(pooling === "mean" ? [textFile(`${modelingModule}.py`, modelingSource)] : [])
  ]
  return { files: files.sort((a, b) => (a.name < b.name ? -1 : 1)), model, parameters }
}

const checkTokenizer = ({ manifest }: Model, tokenizer: InputArtifact): void => {
  if (manifest.tokenizer === null || manifest.tokenizer === tokenizer.content) return
  throw new StageError({
    code: "tokenizer_mismatch",
    message: "the tokenizer is not the one that the model was trained with",
    hint: "connect `tokenizer` to the `base` step that the model comes from: tokenizer: base.tokenizer"
  })
}

/** Figures, and thresholds above all, are of the model that they were computed from. */
const checkMetrics = ({ content }: Model, metrics: InputArtifact | undefined): void => {
  const of = metrics?.facts["model_digest"]
  if (typeof of !== "string" || of === content) return
  throw new StageError({
    code: "metrics_of_another_model",
    message: "the metrics are another model's than the one to be exported",
    hint: "connect the `evaluate` step of this very model to `metrics`"
  })
}

/** The manifest with the thresholds that the evaluation chose, where it did. */
const withThresholds = (manifest: ModelManifest, metrics: InputArtifact | undefined): ModelManifest => {
  const thresholds = metrics?.facts["thresholds"]
  if (thresholds === null || thresholds === undefined) return manifest
  return { ...manifest, head: { ...headOf(manifest), thresholds: thresholds as Thresholds } }
}
