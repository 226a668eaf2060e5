import type { JsonObject } from "@hone/core/Json"
import type { OutputArtifact, StageContext } from "@hone/core/Stage"
import { isHigherBetter } from "../evaluate/scalarNames.ts"
import { predictedOf, type Scored, takeScored, truthOf } from "../evaluate/scored.ts"
import { mcnemarExact } from "../statistics/mcnemar.ts"
import { changedRows, type ChangedRows, type Pair, writeChanged } from "./changed.ts"
import { changesBetween, compareAll, type Delta } from "./compare.ts"
import { deltasAgainst, orNull, scoresOfAll } from "./facts.ts"
import type { CompareParams } from "./params.ts"
import { readPair } from "./predictors.ts"

/** What tuning made a model forget: base and tuned model on rows of another kind than those that it was tuned on. */
export interface Forgotten {
  readonly facts: JsonObject
  /** How much worse the tuned model is by the first metric of the rows: accuracy, or of numbers the mean error; below 0 where it is better. */
  readonly loss: number
  readonly warnings: ReadonlyArray<string>
  readonly pair: Pair
  readonly changed: ChangedRows
}

/** Rows told in the facts, so that a report needs no table. */
const WORST = 5
/** Characters of a text that are told with them. */
const SHOWN = 200

/** Undefined where no evaluations of retained rows are connected. */
export const forgottenOf = (context: StageContext, params: CompareParams): Forgotten | undefined => {
  if (context.inputs["retained_base"] === undefined || context.inputs["retained_tuned"] === undefined) return undefined
  const { hows, pair, thresholds } = readPair(context, "retained_base", "retained_tuned")
  const deltas = compareAll(pair.tuned, new Map([["base", pair.base]]), params, context.seed)
  const changes = changesBetween(pair.base, pair.tuned)
  const changed = changedRows(pair, changes)
  const { base, tuned } = scoresOfAll(deltas)
  const facts: JsonObject = {
    rows: pair.base.rowIds.length,
    base_how: hows.base,
    tuned_how: hows.tuned,
    predictors: { base: base!, tuned: tuned! },
    thresholds: { ...thresholds },
    deltas: deltasAgainst(deltas, "base"),
    fixed: changes.fixed.length,
    broken: changes.broken.length,
    p_value: pair.base.kind === "value" ? null : mcnemarExact(changes.broken.length, changes.fixed.length),
    worst: worstRows(pair, changed)
  }
  const first = firstOf(deltas)
  return { facts, loss: first === undefined ? NaN : lossOf(first), warnings: warningsOf(first, hows), pair, changed }
}

/** The rows that the tuned model has wrong and the base had right, the surest mistakes first. */
const worstRows = ({ base, tuned }: Pair, { broken, rows, scores }: ChangedRows): ReadonlyArray<JsonObject> =>
  rows.slice(0, Math.min(broken, WORST)).map((row) => ({
    row_id: base.rowIds[row]!,
    text: [...base.texts[row]!].slice(0, SHOWN).join(""),
    label: truthOf(base, row),
    base_predicted: predictedOf(base, row),
    tuned_predicted: predictedOf(tuned, row),
    base_score: orNull(scores.base[row]!),
    tuned_score: orNull(scores.tuned[row]!)
  }))

const firstOf = (deltas: ReadonlyArray<Delta>): Delta | undefined =>
  deltas.find(({ metric }) => metric === "accuracy" || metric === "subset_accuracy" || metric === "mae")

const lossOf = ({ delta, metric }: Delta): number => (isHigherBetter(metric) ? -delta : delta)

const warningsOf = (first: Delta | undefined, hows: { base: string | null; tuned: string | null }) => [
  ...(hows.base === hows.tuned
    ? []
    : [
        "the retained rows were probed on one side and predicted by a head on the other: not all that differs was forgotten"
      ]),
  ...(first !== undefined && (isHigherBetter(first.metric) ? first.high < 0 : first.low > 0)
    ? ["the tuned model has forgotten something: on the retained rows it is worse than the base, beyond chance"]
    : [])
]

/** The rows forgotten and those gained; without rows where nothing was retained, in columns of the compared rows. */
export const writeForgotten = (folder: string, forgotten: Forgotten | undefined, compared: Scored): OutputArtifact => {
  const place = { folder, file: "forgotten.arrow" }
  if (forgotten !== undefined) return writeChanged(place, forgotten.pair, forgotten.changed)
  const none = takeScored(compared, [])
  const pair = { base: none, tuned: none }
  return writeChanged(place, pair, changedRows(pair, changesBetween(none, none)))
}
