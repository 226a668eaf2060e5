import type { JsonObject } from "@hone/core/Json"
import type { OutputArtifact, StageContext, StageResult } from "@hone/core/Stage"
import { Effect } from "effect"
import { type Column, float64, labelDictionary, labels, nullableFloat64, utf8 } from "../arrow/columns.ts"
import { readTable } from "../arrow/reader.ts"
import { writeTable } from "../arrow/writer.ts"
import { readModel } from "../artifacts/model.ts"
import { attempt } from "../attempt.ts"
import { isHigherBetter } from "../evaluate/scalarNames.ts"
import { predictedOf, type Scored, scoresOf, truthOf } from "../evaluate/scored.ts"
import { mcnemarExact } from "../statistics/mcnemar.ts"
import { severalLosses } from "../statistics/multilabel.ts"
import { changesBetween, compareAll, type Delta, judge } from "./compare.ts"
import type { CompareParams } from "./params.ts"
import { type Predictors, readPredictors } from "./predictors.ts"
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
    ...seedFacts(context),
    verdict: params.verdict === undefined ? null : { ...judge(params.verdict, tuned, references) }
  }
  const comparison = writeComparison(context.folder, deltas, facts)
  const changed = writeChanged(context.folder, predictors, changes)
  return {
    outputs: { comparison, changed },
    counts: {
      rows: base.rowIds.length,
      both_right: changes.bothRight,
      both_wrong: changes.bothWrong,
      fixed: changes.fixed.length,
      broken: changes.broken.length
    },
    warnings: warningsOf(deltas)
  }
}

/** Each metric of each predictor; null for a rival that the evaluations did not have. */
const scoresOfAll = (deltas: ReadonlyArray<Delta>): JsonObject => {
  const of = (name: string) => {
    const own = deltas.filter(({ against }) => against === name)
    return own.length === 0 ? null : Object.fromEntries(own.map(({ base, metric }) => [metric, orNull(base)]))
  }
  const tuned = Object.fromEntries(deltas.map(({ metric, tuned }) => [metric, orNull(tuned)]))
  return { base: of("base"), tuned, majority: of("majority"), bag_of_words: of("bag_of_words") }
}

const deltasAgainst = (deltas: ReadonlyArray<Delta>, reference: string): ReadonlyArray<JsonObject> =>
  deltas
    .filter(({ against }) => against === reference)
    .map(({ base, delta, high, low, metric, p_value, tuned }) => ({
      metric,
      base: orNull(base),
      tuned: orNull(tuned),
      delta: orNull(delta),
      low: orNull(low),
      high: orNull(high),
      p_value
    }))

/** JSON has no NaN: the correlation of what predicts one number for all is null. */
const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null)

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

/** The spread over trainings of other seeds, where they are connected. */
const seedFacts = ({ inputs }: StageContext): JsonObject => {
  const runs = gathered(inputs, "seeds")
  return { seeds: runs.length === 0 ? null : { runs: runs.length, metrics: spreadOver(runs).map((of) => ({ ...of })) } }
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

/** Broken rows first, then fixed ones; within each those of which the tuned model is surest in the wrong, or surest in the right. */
const writeChanged = (
  folder: string,
  { base, tuned }: Predictors,
  { broken, fixed }: ReturnType<typeof changesBetween>
): OutputArtifact => {
  const [ofBase, ofTuned] = [truthScores(base), truthScores(tuned)]
  const by = (sign: number) => (a: number, b: number) =>
    sign * (ofTuned[a]! - ofTuned[b]!) || (base.rowIds[a]! < base.rowIds[b]! ? -1 : 1)
  const rows = [...broken.toSorted(by(1)), ...fixed.toSorted(by(-1))]
  const isBroken = new Set(broken)
  const columns = {
    row_id: utf8(rows.map((row) => base.rowIds[row]!)),
    text: utf8(rows.map((row) => base.texts[row]!)),
    label: truthColumn(base, rows),
    base_predicted: utf8(rows.map((row) => predictedOf(base, row))),
    tuned_predicted: utf8(rows.map((row) => predictedOf(tuned, row))),
    base_score: float64(Float64Array.from(rows, (row) => ofBase[row]!)),
    tuned_score: float64(Float64Array.from(rows, (row) => ofTuned[row]!)),
    change: utf8(rows.map((row) => (isBroken.has(row) ? "broken" : "fixed")))
  }
  const facts = {
    rows: rows.length,
    labels: base.kind === "value" ? null : base.names,
    fixed: fixed.length,
    broken: broken.length
  }
  return writeTable(folder, "changed.arrow", columns, { facts })
}

/** [N] the probability given to what is true of a row; of several labels the geometric mean over them. */
const truthScores = (scored: Scored): Float64Array => {
  switch (scored.kind) {
    case "classes":
      return scoresOf(scored, scored.labels)
    case "several":
      return severalLosses({ ...scored, labels: scored.names.length }, scored.scores).map((loss) => Math.exp(-loss))
    case "value":
      return new Float64Array(scored.rowIds.length)
  }
}

const truthColumn = (scored: Scored, rows: ReadonlyArray<number>): Column =>
  scored.kind === "classes"
    ? labels(
        Int32Array.from(rows, (row) => scored.labels[row]!),
        labelDictionary(scored.names)
      )
    : utf8(rows.map((row) => truthOf(scored, row)))

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
