import type { StageContext, StageResult } from "@hone/core/Stage"
import { Effect } from "effect"
import { attempt } from "../attempt.ts"
import { classifierFolder } from "./classifierFolder.ts"
import { headOf } from "./config.ts"
import { writeFolder } from "./folder.ts"
import type { ExportParams } from "./params.ts"

/** Writes the folder of a classifier as one artifact: see README. */
export const run = Effect.fn("export.run")(function* (context: StageContext) {
  return yield* attempt(() => exportModel(context))
})

const exportModel = (context: StageContext): StageResult => {
  const { comparison, metrics, model, tokenizer, train } = context.inputs
  const params = context.params as ExportParams
  const made = classifierFolder({
    params,
    model: model!,
    tokenizer: tokenizer!,
    train,
    metrics,
    comparison,
    blobPath: context.blobPath
  })
  const { labels, pooling } = headOf(made.model.manifest)
  const folder = writeFolder({ folder: context.folder, file: "folder.arrow" }, made.files, {
    model: made.model.content,
    labels,
    pooling
  })
  return {
    outputs: { folder },
    counts: { files: made.files.length, parameters: made.parameters, bytes: folder.bytes },
    warnings: []
  }
}
