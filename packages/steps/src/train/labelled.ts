import { type InputArtifact, type StageContext, StageError } from "@hone/core/Stage"
import { type BertConfig, type TrainingProgram, parseBertConfig } from "@hone/nn"
import { Effect } from "effect"
import { type ModelManifest, placeOf } from "../artifacts/manifest.ts"
import { readModel } from "../artifacts/model.ts"
import { attempt } from "../attempt.ts"
import { epochBatches } from "../tensors/batches.ts"
import { cutOfFeatures, type Examples, inputFeeds } from "../tensors/examples.ts"
import { outputNames, readTargets, type Targets, taskOf } from "../tensors/targets.ts"
import { readTokens, type Tokens } from "../tensors/tokens.ts"
import { sizedParams } from "./batchSize.ts"
import { beginningAt, initialHead } from "./head.ts"
import { chanceLoss, objectiveOf, ratesBias, scaled, toTargetUnit, toTrainedUnit } from "./objective.ts"
import type { TrainParams } from "./params.ts"
import type { Prepared } from "./prepared.ts"
import { classifierDropout, labelledProgram, type ProgramChoices } from "./program.ts"
import { labelledRows, labelledValidation } from "./rows.ts"
import { type TrainingPlan, trainingPlan } from "./schedule.ts"
import { phasesOf, unfreezesAt } from "./unfreezing.ts"

/** A training on labelled rows: reads what comes in and settles everything that it hangs on. */
export const prepareLabelled = Effect.fnUntraced(function* (context: StageContext) {
  const given = context.params as TrainParams
  const model = yield* attempt(() => readModel(context.inputs["model"]!, context.blobPath))
  const config = parseBertConfig(model.manifest.config)
  const reads = { config, tokenizer: model.manifest.tokenizer }
  const tokens = yield* readTokens("train", context.inputs["train"]!, reads)
  if (tokens.rowIds.length === 0) return yield* noRows
  const validationTokens =
    context.inputs["validation"] === undefined
      ? undefined
      : yield* readTokens("validation", context.inputs["validation"], reads)
  const drawn = yield* initialHead(model, config, outputNames(tokens.table), {
    pooling: given.pooling,
    seed: context.seed
  })
  const targets = yield* readTargets(tokens, drawn.labels, "train")
  const objective = yield* objectiveOf(given, targets, drawn.labels)
  const head = beginningAt(drawn, given.initial_bias === "zeros" ? undefined : ratesBias(targets, objective))
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
  const choices: ProgramChoices = {
    params: given,
    config,
    chosen: model.manifest,
    pooling: head.pooling,
    labels: head.labels.length,
    objective: objective.objective,
    token_types,
    cut: cutOfFeatures(features?.train)
  }
  const program = labelledProgram(choices)
  const params = yield* sizedParams(given, program, train.lengths)
  const plan = trainingPlan(params, epochBatches(train.lengths, { ...params, seed: context.seed, epoch: 0 }).length)
  const phases = yield* phasesFor(choices, program, plan)
  const manifest: ModelManifest = {
    ...model.manifest,
    task: taskOf(tokens.table),
    head: { pooling: head.pooling, labels: head.labels, dropout: classifierDropout(given, config) }
  }
  const prepared: Prepared = {
    params,
    model,
    manifest,
    program,
    phases,
    train: labelledRows(train, objective, params.sampling),
    validation: validation === undefined ? undefined : labelledValidation(validation),
    plan,
    lossUnit: (scale?.sd ?? 1) ** 2,
    chance: chanceLoss(targets, head.labels, scale),
    weights: new Map(
      program.parameters.map(({ name }) => [name, head.fresh.get(name) ?? toTrainedUnit(name, model.read(name), scale)])
    ),
    written: (name, values) => [name, toTargetUnit(name, values, scale)],
    dropped: model.tensors.flatMap(({ name }) => (placeOf(name) === "pretraining" ? [name] : [])),
    warnings: [...head.warnings, ...dataWarnings(train, validation, head.labels)]
  }
  return prepared
})

export const noRows = new StageError({
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

const phasesFor = (
  choices: ProgramChoices,
  program: TrainingProgram,
  { stepsPerEpoch, totalSteps }: TrainingPlan
): Effect.Effect<Prepared["phases"], StageError> => {
  const every = choices.params.unfreeze_every
  if (every === undefined) return Effect.succeed([{ from: 0, program: () => program, begins: "" }])
  if (!program.trainable.some((name) => typeof placeOf(name) === "number")) return Effect.fail(nothingToUnfreeze)
  const since = unfreezesAt({ every, blocks: choices.config.num_hidden_layers, stepsPerEpoch })
  return Effect.succeed(phasesOf(program.trainable, since, totalSteps, (from) => labelledProgram(choices, from)))
}

const nothingToUnfreeze = new StageError({
  code: "nothing_to_unfreeze",
  message: "unfreeze_every is set, and every block of the model is frozen for good (strategy: head)",
  hint: "freeze with strategy: full or partial, which says how far down blocks may train; or leave unfreeze_every out"
})

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
