import { type InputArtifact, type StageContext, StageError, type StageResult } from "@hone/core/Stage"
import { type BertConfig, classifierProgram, type ClassifierProgram, defaultAdamW, parseBertConfig } from "@hone/nn"
import { Effect } from "effect"
import { isTrainable, type ModelManifest } from "../artifacts/manifest.ts"
import { type Model, readModel, type Tensor, writeModel } from "../artifacts/model.ts"
import { attempt } from "../attempt.ts"
import { epochBatches } from "../tensors/batches.ts"
import { openSession, stageEngine } from "../tensors/engine.ts"
import { readTokens, type Tokens } from "../tensors/tokens.ts"
import { readCheckpoint } from "./checkpoint.ts"
import { cutOfFeatures, type Examples, inputFeeds } from "../tensors/examples.ts"
import { outputNames, readTargets, type Targets, taskOf } from "../tensors/targets.ts"
import { fit } from "./fit.ts"
import { initialHead, type InitialHead } from "./head.ts"
import { bestOf, type HistoryRow, writeHistory } from "./history.ts"
import { objectiveOf, scaled, toTargetUnit, toTrainedUnit, type TrainingObjective } from "./objective.ts"
import type { TrainParams } from "./params.ts"
import { rateOf } from "./rates.ts"
import { trainingPlan } from "./schedule.ts"
import { Trainer } from "./Trainer.ts"

/** Tunes the model: see README. */
export const run = Effect.fn("train.fit")(function* (context: StageContext) {
  const started = performance.now()
  const prepared = yield* prepare(context)
  const engine = yield* stageEngine(context.engine)
  const done = yield* Effect.scoped(
    Effect.gen(function* () {
      const session = yield* openSession(engine, prepared.program)
      const { params, plan, train, validation } = prepared
      const trainer = new Trainer({ ...prepared, session, params, plan, train, validation, seed: context.seed })
      yield* Effect.promise(() => trainer.start(prepared.weights))
      const resumed =
        context.checkpoints === undefined ? undefined : readCheckpoint(context.checkpoints, plan.totalSteps)
      if (resumed !== undefined) yield* Effect.promise(() => trainer.resume(resumed))
      const stopped = yield* fit({ trainer, params, plan, validation, context })
      const weights = trainer.best ?? (yield* Effect.promise(() => trainer.weights()))
      return {
        history: trainer.history,
        evaluations: trainer.evaluations,
        stopped,
        weights,
        resumedAt: resumed?.optimizer_step ?? 0,
        steps: trainer.step
      }
    })
  )
  const outputs = yield* attempt(() => writeOutputs(context, prepared, done))
  const result: StageResult = {
    outputs,
    counts: {
      rows: prepared.train.rowIds.length,
      validation_rows: prepared.validation?.rowIds.length ?? 0,
      optimizer_steps: done.steps,
      resumed_at_step: done.resumedAt,
      engine_seconds: engine.seconds(),
      wall_seconds: (performance.now() - started) / 1000
    },
    warnings: prepared.warnings
  }
  return result
})

type Prepared = Effect.Success<ReturnType<typeof prepare>>

/** Reads what comes in and settles everything that the training hangs on. */
const prepare = Effect.fnUntraced(function* (context: StageContext) {
  const params = context.params as TrainParams
  const model = yield* attempt(() => readModel(context.inputs["model"]!, context.blobPath))
  const config = parseBertConfig(model.manifest.config)
  const reads = { config, tokenizer: model.manifest.tokenizer }
  const tokens = yield* readTokens("train", context.inputs["train"]!, reads)
  if (tokens.rowIds.length === 0) return yield* noRows
  const validationTokens =
    context.inputs["validation"] === undefined
      ? undefined
      : yield* readTokens("validation", context.inputs["validation"], reads)
  const head = yield* initialHead(model, config, outputNames(tokens.table), {
    pooling: params.pooling,
    seed: context.seed
  })
  const targets = yield* readTargets(tokens, head.labels, "train")
  const objective = yield* objectiveOf(params, targets, head.labels)
  const { scale } = objective
  const features = usableFeatures(context, validationTokens)
  const train = yield* examples(tokens, features?.train, scaled(targets, scale), config)
  const hasValidation = validationTokens !== undefined && validationTokens.rowIds.length > 0
  const validation = hasValidation
    ? yield* examples(
        validationTokens,
        features?.validation,
        scaled(yield* readTargets(validationTokens, head.labels, "validation"), scale),
        config
      )
    : undefined
  const token_types = features === undefined && tokens.tokenTypeIds !== undefined
  const program = programOf({ params, model, config, head, objective, token_types, features: features?.train })
  return {
    params,
    task: taskOf(tokens.table),
    model,
    head,
    objective,
    train,
    validation,
    program,
    plan: trainingPlan(params, epochBatches(train.lengths, { ...params, seed: context.seed, epoch: 0 }).length),
    weights: new Map(
      program.parameters.map(({ name }) => [
        name,
        head.fresh.get(name) ?? toTrainedUnit(name, model.read(name), objective.scale)
      ])
    ),
    warnings: [...head.warnings, ...dataWarnings(train, validation, head.labels)]
  }
})

const noRows = new StageError({
  code: "no_supervised_rows",
  message: "there are no training rows",
  hint: "look at the counts of the steps before (`hone show`): rows dropped, or a split that leaves nothing to train on"
})

interface Features {
  readonly train: InputArtifact
  readonly validation: InputArtifact | undefined
}

/** Features of all rows or of none: training and evaluation run through one program. */
const usableFeatures = (context: StageContext, validation: Tokens | undefined): Features | undefined => {
  const train = context.inputs["features_train"]
  const forValidation = context.inputs["features_validation"]
  if (train === undefined || (validation !== undefined && forValidation === undefined)) return undefined
  return { train, validation: forValidation }
}

const examples = Effect.fnUntraced(function* (
  tokens: Tokens,
  features: InputArtifact | undefined,
  targets: Targets,
  config: BertConfig
) {
  const feeds = yield* attempt(() => inputFeeds(tokens, features, config))
  const made: Examples = {
    rowIds: tokens.rowIds,
    lengths: tokens.lengths,
    targets,
    feeds
  }
  return made
})

interface ProgramChoices {
  readonly params: TrainParams
  readonly model: Model
  readonly config: BertConfig
  readonly head: InitialHead
  readonly objective: TrainingObjective
  readonly token_types: boolean
  readonly features: InputArtifact | undefined
}

const programOf = ({ config, features, head, model, objective, params, token_types }: ProgramChoices): ClassifierProgram =>
  classifierProgram({
    config,
    head: { pooling: head.pooling, labels: head.labels.length, dropout: classifierDropout(params, config) },
    trainable: (name) => isTrainable(model.manifest, head.pooling, name),
    cut: cutOfFeatures(features),
    token_types,
    objective: objective.objective,
    dropout: {
      hidden: params.hidden_dropout ?? config.hidden_dropout_prob,
      attention: params.attention_dropout ?? config.attention_probs_dropout_prob
    },
    optimizer: {
      ...defaultAdamW,
      betas: [params.adam_beta1, params.adam_beta2],
      eps: params.adam_epsilon,
      weight_decay: params.weight_decay,
      rate: rateOf(params, config)
    },
    max_grad_norm: params.max_grad_norm === 0 ? null : params.max_grad_norm,
    accumulation: params.gradient_accumulation_steps > 1
  })

const classifierDropout = (params: TrainParams, config: BertConfig): number =>
  params.classifier_dropout ?? config.classifier_dropout ?? config.hidden_dropout_prob

const dataWarnings = (
  train: Examples,
  validation: Examples | undefined,
  labels: ReadonlyArray<string>
): ReadonlyArray<string> => {
  const unseen = labels.filter((_, label) => !isSeen(train.targets, label))
  return [
    ...(unseen.length === 0 ? [] : [`no training row has the label ${unseen.join(", ")}`]),
    ...(validation === undefined
      ? ["no validation rows: nothing stops the training early, and the last weights are kept"]
      : [])
  ]
}

const isSeen = (targets: Targets, label: number): boolean => {
  if (targets.kind === "classes") return targets.classes.includes(label)
  return targets.kind === "value" || targets.values.some((value, at) => at % targets.labels === label && value === 1)
}

interface Done {
  readonly history: ReadonlyArray<HistoryRow>
  readonly evaluations: ReadonlyArray<HistoryRow>
  readonly stopped: string
  readonly weights: ReadonlyMap<string, Float32Array>
}

const writeOutputs = (
  context: StageContext,
  prepared: Prepared,
  { evaluations, history, stopped, weights }: Done
): StageResult["outputs"] => {
  const { head, model, objective, params, plan, program, task } = prepared
  const manifest: ModelManifest = {
    ...model.manifest,
    task,
    head: {
      pooling: head.pooling,
      labels: head.labels,
      dropout: classifierDropout(params, parseBertConfig(model.manifest.config))
    },
    base: model.manifest.base ?? context.inputs["model"]!.content
  }
  const shapes = new Map(program.parameters.map(({ name, shape }) => [name, shape]))
  const tensors = new Map<string, Tensor>(
    program.trainable.map((name) => [name, { shape: shapes.get(name)!, values: toTargetUnit(name, weights.get(name)!, objective.scale) }])
  )
  const best = bestOf(evaluations)
  const last = history.findLast(({ part }) => part === "train")
  return {
    model: writeModel({ folder: context.folder, file: "model.arrow", manifest, from: model, tensors }),
    history: writeHistory(context.folder, history, {
      best_step: best?.optimizer_step ?? last?.optimizer_step ?? 0,
      best_loss: best?.loss ?? null,
      stopped,
      epochs: last?.epoch ?? 0,
      steps_per_epoch: plan.stepsPerEpoch
    })
  }
}
