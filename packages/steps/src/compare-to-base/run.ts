import type { JsonObject } from "@hone/core/Json"
import type { OutputArtifact, StageContext, StageResult } from "@hone/core/Stage"
import { Effect } from "effect"
import { float64, nullableFloat64, utf8 } from "../arrow/columns.ts"
import { readTable } from "../arrow/reader.ts"
import { writeTable } from "../arrow/writer.ts"
import { readModel } from "../artifacts/model.ts"
import { attempt } from "../attempt.ts"
import { isHigherBetter } from "../evaluate/scalarNames.ts"
import type { Scored } from "../evaluate/scored.ts"
import { mcnemarExact } from "../statistics/mcnemar.ts"
import { changedRows, writeChanged } from "./changed.ts"
import { changesBetween, compareAll, type Delta, judge } from "./compare.ts"
import { deltasAgainst, orNull, scoresOfAll } from "./facts.ts"
import { forgottenOf, writeForgotten } from "./forgotten.ts"
import type { CompareParams } from "./params.ts"
import { readPredictors, rowIdsBehind } from "./predictors.ts"
import { gathered, spreadOver } from "./seeds.ts"
import { driftOf, overfittingGap } from "./training.ts"

export const run = Effect.fn("compare-to-base.run")(function* (context: StageContext) {
  return yield* attempt(() => compareToBase(context, context.params as CompareParams))
})

const compareToBase = (context: StageContext, params: CompareParams): StageResult => {
  const predictors = readPredictors(context)
  const { base, rivals, tuned } = predictors
  const references = new Map([["base", base], ...rivals])
  const deltas = compareAll(tuned, references, params, context.seed)
  const changes = changesBetween(base, tuned)
  const forgotten = forgottenOf(context, params)
  const facts: JsonObject = {
    rows: base.rowIds.length,
    base_how: predictors.baseHow,
    thresholds: { ...predictors.thresholds },
    predictors: scoresOfAll(deltas),
    confidence: params.confidence,
    deltas: deltasAgainst(deltas, "base"),
    rivals: Object.fromEntries([...rivals.keys()].map((name) => [name, deltasAgainst(deltas, name)])),
    fixed: changes.fixed.length,
    broken: changes.broken.length,
    p_value: base.kind === "value" ? null : mcnemarExact(changes.broken.length, changes.fixed.length),
    ...trainingFacts(context),
    ...seedFacts(context, base),
    forgotten: forgotten?.facts ?? null,
    verdict: params.verdict === undefined ? null : { ...judge(params.verdict, tuned, references, forgotten?.loss) }
  }
  const comparison = writeComparison(context.folder, deltas, facts)
  const changed = writeChanged(
    { folder: context.folder, file: "changed.arrow" },
    predictors,
    changedRows(predictors, changes)
  )
  return {
    outputs: { comparison, changed, forgotten: writeForgotten(context.folder, forgotten, base) },
    counts: {
      rows: base.rowIds.length,
      both_right: changes.bothRight,
      both_wrong: changes.bothWrong,
      fixed: changes.fixed.length,
      broken: changes.broken.length
    },
    warnings: [...warningsOf(deltas), ...(forgotten?.warnings ?? [])]
  }
}

const trainingFacts = (context: StageContext): JsonObject => {
  const { base_model, history, model } = context.inputs
  const gap = history === undefined ? undefined : overfittingGap(readTable(history))
  const drift =
    model === undefined || base_model === undefined
      ? undefined
      : driftOf(readModel(base_model, context.blobPath), readModel(model, context.blobPath))
  return {
    overfitting: gap === undefined ? null : { ...gap.best, best_epoch: gap.best.epoch, end: { ...gap.end } },
    drift: drift?.map((part) => ({ ...part })) ?? null
  }
}

/**
 * The spread over trainings of other seeds, where they are connected. `same_rows` tells whether all of them predicted the compared rows:
 * not so of the folds of a split, whose mean is then no figure to hold against this base.
 */
const seedFacts = (context: StageContext, base: Scored): JsonObject => {
  const runs = gathered(context.inputs, "seeds")
  if (runs.length === 0) return { seeds: null }
  const compared = new Set(base.rowIds)
  const same_rows = runs.every(({ name }) => {
    const own = rowIdsBehind(context, name)
    return own.length === compared.size && own.every((rowId) => compared.has(rowId))
  })
  const metrics = spreadOver(runs.map(({ artifact }) => artifact)).map((of) => ({ ...of }))
  return { seeds: { runs: runs.length, same_rows, metrics } }
}

const writeComparison = (folder: string, deltas: ReadonlyArray<Delta>, facts: JsonObject): OutputArtifact =>
  writeTable(
    folder,
    "comparison.arrow",
    {
      metric: utf8(deltas.map(({ metric }) => metric)),
      against: utf8(deltas.map(({ against }) => against)),
      base: float64(Float64Array.from(deltas, ({ base }) => base)),
      tuned: float64(Float64Array.from(deltas, ({ tuned }) => tuned)),
      delta: float64(Float64Array.from(deltas, ({ delta }) => delta)),
      low: nullableFloat64(deltas.map(({ low }) => orNull(low))),
      high: nullableFloat64(deltas.map(({ high }) => orNull(high))),
      p_value: nullableFloat64(deltas.map(({ p_value }) => p_value))
    },
    // The verdict, drift and gap are read from the facts: they belong to what this artifact says.
    { facts, contentMetadata: facts }
  )

/** What a reader of the numbers alone may overlook. */
const warningsOf = (deltas: ReadonlyArray<Delta>): ReadonlyArray<string> =>
  deltas
    .filter(({ metric }) => metric === "accuracy" || metric === "subset_accuracy" || metric === "mae")
    .flatMap(({ against, base, delta, high, low, metric, tuned }) => {
      if (against === "base" && low <= 0 && high >= 0) {
        return [`the interval of the ${told(metric)}'s gain holds 0: these rows do not show that tuning changed it`]
      }
      const behind = isHigherBetter(metric) ? delta <= 0 : delta >= 0
      if (against === "base" || !behind) return []
      const shown = metric === "mae" ? (value: number) => `a mean error of ${value.toPrecision(3)}` : percent
      return [`${rivalName(against, metric)} reaches ${shown(base)} where the tuned model reaches ${shown(tuned)}`]
    })

const rivalName = (against: string, metric: string): string =>
  against === "bag_of_words"
    ? "a bag of words"
    : metric === "mae"
      ? "the mean of the training rows"
      : "the majority class"

const told = (metric: string): string => (metric === "mae" ? "mean absolute error" : metric.replace("_", " "))

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`
