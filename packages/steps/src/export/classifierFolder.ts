import { type InputArtifact, type StageContext, StageError } from "@hone/core/Stage"
import { elements } from "../artifacts/manifest.ts"
import { type Model, readModel } from "../artifacts/model.ts"
import { modelCard } from "./card.ts"
import { exportConfig, headOf } from "./config.ts"
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
 * The files of a Hugging Face folder of a classifier. Fails by StageError: `no_head`, `tokenizer_mismatch` where the tokenizer is
 * not the one that the model was trained with, and as the readers of artifacts do.
 */
export const classifierFolder = (inputs: ExportInputs): ClassifierFolder => {
  const model = readModel(inputs.model, inputs.blobPath)
  const { pooling } = headOf(model.manifest)
  checkTokenizer(model, inputs.tokenizer)
  const parameters = exportedTensors(model).reduce((total, { shape }) => total + elements(shape), 0)
  const card = modelCard({
    params: inputs.params,
    manifest: model.manifest,
    content: model.content,
    parameters,
    train: inputs.train,
    metrics: inputs.metrics?.facts,
    comparison: inputs.comparison?.facts
  })
  const files = [
    jsonFile("config.json", exportConfig(model.manifest)),
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
