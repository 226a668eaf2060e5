export {
  BadFeed,
  type Engine,
  EngineFailure,
  type EngineName,
  EngineUnavailable,
  type Numerics,
  type Session,
  UnknownName
} from "./engines/Engine.ts"
export { type EngineOptions, openEngine } from "./engines/openEngine.ts"
export type { TensorflowLocation } from "./engines/tensorflowLibrary.ts"
export type { Feed, Feeds, Program, ProgramFunction, Values } from "./graph/Program.ts"
export { type BertConfig, parseBertConfig, UnsupportedConfig } from "./models/bert/config.ts"
export {
  bertWeights,
  blockWeights,
  canonicalName,
  classifierModelWeights,
  classifierWeights,
  embeddingWeights,
  type HeadOptions,
  initialWeights,
  matchWeights,
  poolerWeights,
  type Pooling,
  type WeightMatch,
  type WeightSpec
} from "./models/bert/weights.ts"
export type { Objective } from "./ops/objective.ts"
export type { AdamWOptions } from "./train/adamw.ts"
export {
  type ClassifierOptions,
  classifierProgram,
  type ClassifierProgram,
  type Cut,
  defaultAdamW,
  type FeaturesOptions,
  featuresProgram,
  type FeaturesProgram,
  frozenBlocks
} from "./train/classifier.ts"
export { constant, cosine, linear, type Schedule, type ScheduleName, schedules } from "./train/schedules.ts"
export {
  BadSafetensors,
  type ByteSource,
  openSafetensors,
  readSafetensors,
  type Safetensors,
  safetensorsHeader,
  type TensorInfo,
  type TensorToWrite,
  writeSafetensors
} from "./weights/safetensors.ts"
export { type Costs, costsOf } from "./graph/costs.ts"
