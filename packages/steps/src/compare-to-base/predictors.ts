import { type InputArtifact, type StageContext, StageError } from "@hone/core/Stage"
import { readTable } from "../arrow/reader.ts"
import type { Pair } from "./changed.ts"
import type { PredictionsLink } from "../evaluate/run-metrics.ts"
import type { Thresholds } from "../evaluate/decide.ts"
import { readScored, type Scored, takeScored, truthOf } from "../evaluate/scored.ts"
import { takesThresholds, underThresholds } from "../evaluate/thresholds.ts"

/** Everything that predicted the rows, in one order of rows: that of the base. */
export interface Predictors extends Pair {
  /** `majority` and `bag_of_words`, where the evaluation of the base or of the tuned model had rows to fit them on. */
  readonly rivals: ReadonlyMap<string, Scored>
  /** How the base predicted: `probe` or `classifier`. */
  readonly baseHow: string | null
  /** What decided where an evaluation chose thresholds; null where the highest score did, or a half. */
  readonly thresholds: { readonly base: Thresholds | null; readonly tuned: Thresholds | null }
}

/**
 * The predictions behind two metrics artifacts, joined by `row_id` and by label name, as the thresholds of each evaluation decide them.
 * Fails by StageError `row_mismatch` where the rows are not the same, `label_mismatch` where their labels are not.
 */
export const readPredictors = (context: StageContext): Predictors => {
  const { hows, linkedTo, pair, thresholds } = readPair(context, "base", "tuned")
  const rivals = [...linkedTo.base.rivals, ...linkedTo.tuned.rivals]
  return {
    ...pair,
    rivals: new Map(rivals.map(([name, scored]) => [name, alignTo(pair.base, scored, ["base", name])])),
    baseHow: hows.base,
    thresholds
  }
}

/** What two evaluations say of one set of rows, in the order of the first. Fails as {@link readPredictors}. */
export const readPair = (context: StageContext, basePort: string, tunedPort: string) => {
  const linkedTo = { base: linked(context, basePort), tuned: linked(context, tunedPort) }
  const base = decidedModel(linkedTo.base)
  const pair: Pair = { base, tuned: alignTo(base, decidedModel(linkedTo.tuned), [basePort, tunedPort]) }
  const { base: ofBase, tuned: ofTuned } = linkedTo
  return {
    pair,
    linkedTo,
    hows: { base: ofBase.how, tuned: ofTuned.how },
    thresholds: { base: ofBase.thresholds, tuned: ofTuned.thresholds }
  }
}

/** The rows that the metrics at a port are of. Fails by StageError `no_predictions`. */
export const rowIdsBehind = (context: StageContext, port: string): ReadonlyArray<string> =>
  decidedModel(linked(context, port)).rowIds

interface Linked {
  readonly predictions: ReadonlyMap<string, Scored>
  readonly rivals: ReadonlyMap<string, Scored>
  readonly how: string | null
  /** Chosen on validation rows by the evaluation. */
  readonly thresholds: Thresholds | null
}

const linked = (context: StageContext, port: string): Linked => {
  const artifact = context.inputs[port] as InputArtifact
  const metadata = readTable(artifact).schema.metadata
  const read = (name: string): { readonly how: string | null; readonly scored: ReadonlyMap<string, Scored> } => {
    const text = metadata.get(`hone.${name}`)
    if (text === undefined) return { how: null, scored: new Map() }
    const { blob, how, labels } = JSON.parse(text) as PredictionsLink
    return { how, scored: readScored({ path: context.blobPath(blob), blob }, labels) }
  }
  const { how, scored } = read("predictions")
  const thresholds = (artifact.facts["thresholds"] ?? null) as Thresholds | null
  return { predictions: scored, rivals: read("rivals").scored, how, thresholds }
}

/** What the model says of the rows, by its thresholds where it has some. */
const decidedModel = ({ predictions, thresholds }: Linked): Scored => {
  const model = predictions.get("model")
  if (model !== undefined)
    return thresholds !== null && takesThresholds(model, thresholds) ? underThresholds(model, thresholds) : model
  throw new StageError({
    code: "no_predictions",
    message: "the metrics are of no rows: there is nothing to compare",
    hint: "evaluate on a part that has rows"
  })
}

/** The same rows in the order of `reference`. */
const alignTo = (reference: Scored, other: Scored, [one, who]: readonly [string, string]): Scored => {
  const places = new Map(other.rowIds.map((row_id, row) => [row_id, row]))
  const missing = reference.rowIds.filter((row_id) => !places.has(row_id))
  if (missing.length > 0 || places.size !== reference.rowIds.length) {
    throw new StageError({
      code: "row_mismatch",
      message: `${one} and ${who} predicted other rows: ${reference.rowIds.length} and ${places.size}; ${missing.length} of the first are not among the second`,
      hint: "evaluate both on the same part of the rows",
      row_ids: missing.slice(0, 20)
    })
  }
  const aligned = takeScored(
    other,
    reference.rowIds.map((row_id) => places.get(row_id)!)
  )
  const differing = reference.rowIds.filter((_, row) => truthOf(reference, row) !== truthOf(aligned, row))
  if (differing.length === 0) return aligned
  throw new StageError({
    code: "label_mismatch",
    message: `${differing.length} rows have one label for ${one} and another for ${who}`,
    hint: "evaluate both on the same part of the rows",
    row_ids: differing.slice(0, 20)
  })
}
