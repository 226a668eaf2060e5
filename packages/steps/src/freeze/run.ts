import { type StageContext, StageError, type StageResult } from "@hone/core/Stage"
import { Effect } from "effect"
import { blocksOf, frozenBlocksOf, type ModelManifest, type Strategy } from "../artifacts/manifest.ts"
import { type Model, readModel, writeModel } from "../artifacts/model.ts"
import { attempt } from "../attempt.ts"
import { trainingTable } from "./trainingTable.ts"

/** Fails where `partial` asks for more blocks than there are. */
const frozenBlocks = (strategy: Strategy, blocks: number): Effect.Effect<number, StageError> => {
  const frozen = frozenBlocksOf(strategy, blocks)
  if (frozen >= 0) return Effect.succeed(frozen)
  return Effect.fail(
    new StageError({
      code: "too_many_blocks",
      message: `last_blocks is ${blocks - frozen}, and the model has ${blocks} blocks`,
      hint: `write a number from 1 to ${blocks}, or strategy: full to train the embeddings too`
    })
  )
}

const chosen = (
  model: Model,
  input: StageContext["inputs"][string],
  strategy: Strategy,
  frozen: number
): ModelManifest => ({
  ...model.manifest,
  trainable: { strategy, frozen_blocks: frozen },
  base: model.manifest.base ?? input.content
})

/** Writes the choice into the manifest. No tensor is copied: the artifact links to the files that hold them. */
export const run = Effect.fn("freeze.run")(function* (context: StageContext) {
  const input = context.inputs["model"]!
  const strategy = context.params.strategy as Strategy
  const model = yield* attempt(() => readModel(input, context.blobPath))
  const frozen = yield* frozenBlocks(strategy, blocksOf(model.manifest))
  const manifest = chosen(model, input, strategy, frozen)
  const table = trainingTable(manifest, model.tensors)
  for (const line of table.lines) context.log(line)
  const result: StageResult = {
    outputs: {
      model: writeModel({ folder: context.folder, file: "model.arrow", manifest, from: model, tensors: new Map() })
    },
    counts: table.counts,
    warnings: []
  }
  return result
})
