import type { TrainingProgram } from "@hone/nn"
import type { ModelManifest } from "../artifacts/manifest.ts"
import type { Model } from "../artifacts/model.ts"
import type { SizedParams } from "./batchSize.ts"
import type { TrainingRows, ValidationRows } from "./rows.ts"
import type { TrainingPlan } from "./schedule.ts"
import type { Phase } from "./unfreezing.ts"

/** Everything that a training hangs on, whatever it trains. */
export interface Prepared {
  readonly params: SizedParams
  readonly model: Model
  /** Of the tuned model, but for its base. */
  readonly manifest: ModelManifest
  /** In which everything trains that trains in the end. */
  readonly program: TrainingProgram
  /** One, in that program, unless the model unfreezes by and by. */
  readonly phases: ReadonlyArray<Phase<TrainingProgram>>
  readonly train: TrainingRows
  readonly validation: ValidationRows | undefined
  readonly plan: TrainingPlan
  readonly lossUnit: number
  /** The loss of a model that knows nothing, as losses are told: a training far above it has gone astray. */
  readonly chance: number
  /** What the program starts from, by its own names. */
  readonly weights: ReadonlyMap<string, Float32Array>
  /** The name and values of a trained tensor in the artifact; null for one that is not kept. */
  readonly written: (name: string, values: Float32Array) => readonly [name: string, values: Float32Array] | null
  /** Tensors of the model that the tuned one no longer has. */
  readonly dropped: ReadonlyArray<string>
  readonly warnings: ReadonlyArray<string>
}
