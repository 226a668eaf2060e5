import { Effect } from "effect"
import { train } from "../train/index.ts"
import { type Bench, type RunOutcome, runStage } from "./context.ts"
import { nativeEngine, testEngine, tinyModel, tinyRows, tokensArtifact } from "./models.ts"

/** One tiny training, the same in every process, that saves after every second step. */
export const tinyTraining = (
  bench: Bench,
  checkpoints: string | undefined,
  onStep: (step: number) => void
): Effect.Effect<RunOutcome, unknown> =>
  runStage(bench, train, {
    stage: "fit",
    engine: nativeEngine() ?? testEngine,
    with: { learning_rate: 3e-3, batch_size: 8, epochs: 4, early_stopping: false, checkpoint_every: 2 },
    inputs: {
      model: tinyModel(bench),
      train: tokensArtifact(bench, tinyRows(60)),
      validation: tokensArtifact(bench, tinyRows(24, 1000))
    },
    seed: 11,
    onProgress: ({ done }) => onStep(done),
    ...(checkpoints === undefined ? {} : { checkpoints })
  })
