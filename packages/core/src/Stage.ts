import { Schema } from "effect"
import type { Json } from "./Json.ts"
import type { Facts } from "./Step.ts"

/** An artifact as a stage reads it. */
export interface InputArtifact {
  /** The Arrow file, read-only. */
  readonly path: string
  /** SHA-256 of its bytes: check it while reading. */
  readonly blob: string
  readonly content: string
  /** Those that the stage declares to read: see `StageInput`. */
  readonly facts: Facts
  /** The part that the result hangs on, where the stage declares one: `prefix/4`. */
  readonly view?: string
}

/** A resolved source: a file, or a folder with its files in sorted order. `digest` was taken when planning. */
export interface InputSource {
  readonly path: string
  readonly format: string
  readonly digest: string
  /** As the user wrote it, for messages. */
  readonly spec: string
}

/** What a stage is given, as plain data plus three ways to speak. Built by the worker around the runner's request. */
export interface StageContext {
  /** All decoded params of the step, operational ones too. */
  readonly params: any
  readonly inputs: Readonly<Record<string, InputArtifact>>
  readonly sources: Readonly<Record<string, InputSource>>
  /** A private folder that nobody else writes; outputs are files in it. */
  readonly folder: string
  /** uint32; 0 for a stage that declares no randomness. */
  readonly seed: number
  /** The engine that set-up chose, for stages with numerics. */
  readonly engine: EngineChoice
  /** Where checkpoints of this trajectory lie, for stages that declare one. Outlives a failed attempt. */
  readonly checkpoints: string | undefined
  /** Path of the blob with this SHA-256: for artifacts that store a difference and link to their base. */
  readonly blobPath: (blob: string) => string
  readonly progress: (progress: Progress) => void
  readonly log: (line: string) => void
}

export interface StageResult {
  readonly outputs: Readonly<Record<string, OutputArtifact>>
  /** Rows in, out, cut, dropped, with reasons: shown after the step and by `show`. Keys are snake_case. */
  readonly counts: Readonly<Record<string, Json>>
  readonly warnings: ReadonlyArray<string>
  /**
   * Why the result belongs to this run alone and gets no record: a source that changed while it was read. What follows is cached as
   * ever, since it hangs on the content that came out.
   */
  readonly uncached?: string
}

export const OutputArtifact = Schema.Struct({
  /** File name below the attempt folder. */
  file: Schema.String,
  /** SHA-256 of the bytes, taken while they were written. */
  blob: Schema.String,
  /** Digest of names, types and values: independent of batches, padding and dictionary order. */
  content: Schema.String,
  bytes: Schema.Int,
  facts: Schema.Record(Schema.String, Schema.Unknown),
  /** Digests of parts, by name, for stages that hang on a part. */
  views: Schema.Record(Schema.String, Schema.String),
  /** Blobs that this one cannot be read without. */
  links: Schema.Array(Schema.String)
})
export type OutputArtifact = typeof OutputArtifact.Type

/** Progress of a stage: at most ten a second reach the runner. */
export const Progress = Schema.Struct({
  /** Done and total, in `unit`. */
  done: Schema.Finite,
  total: Schema.optionalKey(Schema.Finite),
  unit: Schema.String,
  /** What else is shown, as it comes: `loss`, `eval_loss`, `accuracy`, `learning_rate`. */
  values: Schema.optionalKey(Schema.Record(Schema.String, Schema.Finite))
})
export type Progress = typeof Progress.Type

/** What makes two engines' numbers comparable bit for bit, or not: part of the key of every tensor stage. */
export const Numerics = Schema.Struct({
  class: Schema.String,
  version: Schema.String,
  dtype: Schema.String,
  /** Whether float32 products are rounded to TF32: on CUDA alone. */
  tf32: Schema.optionalKey(Schema.Boolean)
})

/** How a process takes GPUs; see `GpuOptions` of nn. */
export const GpuChoice = Schema.Struct({
  visible_devices: Schema.optionalKey(Schema.String),
  memory_fraction: Schema.optionalKey(Schema.Finite),
  allow_growth: Schema.optionalKey(Schema.Boolean),
  tf32: Schema.optionalKey(Schema.Boolean)
})
export type GpuChoice = typeof GpuChoice.Type

export const EngineChoice = Schema.Struct({
  engine: Schema.Literals(["session", "capi", "wasm", "webgpu", "cpu"]),
  version: Schema.String,
  /** Folder of libtensorflow_cc.so.2, for session and capi. */
  library: Schema.NullOr(Schema.String),
  /** The tfjs-node addon, for session. */
  addon: Schema.NullOr(Schema.String),
  numerics: Numerics,
  device: Schema.String,
  threads: Schema.Int,
  gpu: Schema.optionalKey(GpuChoice),
  /** Where to write what each operation took, but for the ends of the files' names; left out, nothing is timed. */
  profile: Schema.optionalKey(Schema.String)
})
export type EngineChoice = typeof EngineChoice.Type

/** How much a stage has to do, to foretell its time by results that had more or less: `passes` over something of this size, in any unit. */
export const Work = Schema.Struct({
  passes: Schema.Finite,
  /** Null where it is not known. */
  size: Schema.NullOr(Schema.Finite)
})
export type Work = typeof Work.Type

/** A failure of a stage that the user can mend: what is wrong, and how to mend it. */
export class StageError extends Schema.TaggedError<StageError>()("StageError", {
  /** A stable name for scripts: `no_supervised_rows`, `nan_loss`. */
  code: Schema.String,
  message: Schema.String,
  hint: Schema.String,
  /** The param that mends it, where there is one. */
  param: Schema.optionalKey(Schema.String),
  /** Rows that it is about, where there are some. */
  row_ids: Schema.optionalKey(Schema.Array(Schema.String)),
  /** The stored blob that cannot be read, for `artifact_corrupt` and `artifact_missing`: the runner has it made again. */
  blob: Schema.optionalKey(Schema.String)
}) {}

/** How it is told that memory ran out, whoever met it: the engine, the runner that looks on, or the process with its last words. */
export const outOfMemory = (message: string) => ({
  code: "out_of_memory",
  message,
  hint: "a smaller batch_size, a smaller max_length in tokenize, or fewer trials side by side need less: `hone plan` tells what is predicted. Where others took the memory, run it again: a training goes on from its last checkpoint",
  param: "batch_size"
})
