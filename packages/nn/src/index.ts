export {
  BadFeed,
  type Engine,
  EngineFailure,
  type EngineName,
  EngineUnavailable,
  type Numerics,
  type Session,
  UnknownName,
  type VariableValues
} from "./engines/Engine.ts"
export type { GpuOptions } from "./engines/configProto.ts"
export { type EngineOptions, openEngine } from "./engines/openEngine.ts"
export { release } from "./engines/release.ts"
export type { TensorflowLocation } from "./engines/tensorflowLibrary.ts"
export type { Precision } from "./graph/Builder.ts"
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
  maskedLmWeights,
  matchWeights,
  nextSentenceWeights,
  poolerWeights,
  type Pooling,
  type WeightMatch,
  type WeightSpec
} from "./models/bert/weights.ts"
export type { Objective } from "./ops/objective.ts"
export type { AdamWOptions } from "./train/adamw.ts"
export { averageDecay, averageName } from "./train/average.ts"
export { type ClassifierOptions, classifierProgram, defaultAdamW, frozenBlocks } from "./train/classifier.ts"
export { type Cut, type FeaturesOptions, featuresProgram, type FeaturesProgram } from "./train/features.ts"
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
export { type Memory, memoryOf } from "./graph/memory.ts"
export { type GenerationProgram, generationProgram } from "./generate/causal.ts"
export { type Choose, generate, type GenerateOptions, generateFrom, greedy } from "./generate/generate.ts"
export type { MemorySize } from "./generate/memory.ts"
export { type Seq2seqProgram, seq2seqProgram, type Seq2seqSize } from "./generate/seq2seq.ts"
export { bertForMaskedLm, bertForSequences, bertForTokens } from "./models/bert/networks.ts"
export { type CausalNetwork, supervisedTokens, type TextLayout } from "./models/decoder.ts"
export { type DistilbertConfig, parseDistilbertConfig } from "./models/distilbert/config.ts"
export { distilbertForSequences } from "./models/distilbert/distilbert.ts"
export { type Gpt2Config, parseGpt2Config } from "./models/gpt2/config.ts"
export { gpt2 } from "./models/gpt2/gpt2.ts"
export { type LlamaConfig, parseLlamaConfig } from "./models/llama/config.ts"
export { llama } from "./models/llama/llama.ts"
export { parseRobertaConfig, type RobertaConfig } from "./models/roberta/config.ts"
export { robertaForSequences } from "./models/roberta/roberta.ts"
export { parseT5Config, type T5Config } from "./models/t5/config.ts"
export { t5, type T5Network } from "./models/t5/t5.ts"
export { parseVitConfig, type VitConfig } from "./models/vit/config.ts"
export { vitForImages } from "./models/vit/vit.ts"
export { BadAdapter, initialAdapters, type LoraOptions, mergeLora, trainsInLora, withLora } from "./network/lora.ts"
export { initialParameters, matchNetwork, type Network, vectorsOf } from "./network/Network.ts"
export { parsePeftConfig, type PeftAdapter, type PeftFolder, readPeftFolder, writePeftFolder } from "./network/peft.ts"
export type { AdafactorOptions, LionOptions, OptimizerOptions, SgdOptions } from "./network/optimizers.ts"
export { type TrainingOptions, type TrainingProgram, trainingProgram } from "./network/training.ts"
