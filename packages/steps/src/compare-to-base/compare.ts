import { metricsTold, namedMetric, scalarMetric } from "../evaluate/metrics.ts"
import { isHigherBetter, type ScalarName } from "../evaluate/scalarNames.ts"
import { rightOf, type Scored } from "../evaluate/scored.ts"
import { percentileInterval, resampled } from "../statistics/bootstrap.ts"
import { mcnemarExact } from "../statistics/mcnemar.ts"
import type { CompareParams, Verdict } from "./params.ts"

/** One metric of the tuned model beside that of a reference. */
export interface Delta {
  /** A scalar metric, or `top_K_accuracy` for any K. */
  readonly metric: string
  /** `base`, `majority` or `bag_of_words` */
  readonly against: string
  readonly base: number
  readonly tuned: number
  /** tuned - base */
  readonly delta: number
  /** The bootstrap interval of the delta. */
  readonly low: number
  readonly high: number
  /** McNemar's exact test, for the accuracy and the subset accuracy alone: it is about rows right and wrong. */
  readonly p_value: number | null
}

/** Every metric that such rows have, against every reference, intervals from the same resamples of rows. */
export const compareAll = (
  tuned: Scored,
  references: ReadonlyMap<string, Scored>,
  {
    confidence,
    metrics: wanted,
    resamples,
    top_k
  }: Pick<CompareParams, "confidence" | "metrics" | "resamples" | "top_k">,
  seed: number
): ReadonlyArray<Delta> => {
  const metrics = metricsTold(tuned, wanted, top_k)
  const predictors = [tuned, ...references.values()]
  const ofRows = predictors.flatMap((scored) => metrics.map((metric) => namedMetric(metric, scored)))
  const drawn = resampled(tuned.rowIds.length, ofRows, { resamples, seed })
  return [...references].flatMap(([against, reference], place) => {
    const { broken, fixed } = changesBetween(reference, tuned)
    return metrics.map((metric, of) => {
      const at = (1 + place) * metrics.length + of
      const [ofBase, ofTuned] = [ofRows[at]!(), ofRows[of]!()]
      const differences = drawn[of]!.map((value, resample) => value - drawn[at]![resample]!)
      return {
        metric,
        against,
        base: ofBase,
        tuned: ofTuned,
        delta: ofTuned - ofBase,
        ...percentileInterval(differences, confidence),
        p_value:
          metric === "accuracy" || metric === "subset_accuracy" ? mcnemarExact(broken.length, fixed.length) : null
      }
    })
  })
}

/** Rows that only `after` gets right, and rows that only `before` does; none where a prediction is neither right nor wrong. */
export const changesBetween = (before: Scored, after: Scored) => {
  const [was, is] = [rightOf(before), rightOf(after)]
  const rows = Array.from(was.keys())
  return {
    fixed: rows.filter((row) => was[row] === 0 && is[row] === 1),
    broken: rows.filter((row) => was[row] === 1 && is[row] === 0),
    bothRight: rows.filter((row) => was[row] === 1 && is[row] === 1).length,
    bothWrong: rows.filter((row) => was[row] === 0 && is[row] === 0).length
  }
}

export interface Outcome {
  readonly passed: boolean
  /** What was not met, each as a sentence. */
  readonly reasons: ReadonlyArray<string>
}

/**
 * Whether the thresholds are met.
 * @param forgotten how much worse the tuned model is on the retained rows, where there are some
 */
export const judge = (
  verdict: Verdict,
  tuned: Scored,
  references: ReadonlyMap<string, Scored>,
  forgotten?: number
): Outcome => {
  const base = references.get("base")!
  const { max_forgotten, max_p_value, metric, min_delta, must_beat_bag_of_words } = verdict
  const reasons: Array<string> = []
  const gained = gain(metric, base, tuned)
  if (min_delta !== undefined && !(gained >= min_delta)) {
    reasons.push(`${metric} is ${shown(gained)} better than the base's, and min_delta asks for ${shown(min_delta)}`)
  }
  const { broken, fixed } = changesBetween(base, tuned)
  const p = mcnemarExact(broken.length, fixed.length)
  if (max_p_value !== undefined && !(p <= max_p_value)) {
    reasons.push(`p is ${shown(p)}, and max_p_value allows ${shown(max_p_value)}`)
  }
  if (max_forgotten !== undefined && !(forgotten! <= max_forgotten)) {
    reasons.push(
      `${shown(forgotten!)} is forgotten on the retained rows, and max_forgotten allows ${shown(max_forgotten)}`
    )
  }
  if (must_beat_bag_of_words) reasons.push(...bagOfWordsReasons(metric, tuned, references.get("bag_of_words")))
  return { passed: reasons.length === 0, reasons }
}

const bagOfWordsReasons = (metric: ScalarName, tuned: Scored, bag: Scored | undefined): ReadonlyArray<string> => {
  if (bag === undefined)
    return ["there is no bag of words to beat: connect fit: parts.train to the evaluation of the base"]
  if (gain(metric, bag, tuned) > 0) return []
  const [ofBag, ofTuned] = [scalarMetric(metric, bag)(), scalarMetric(metric, tuned)()]
  return [`${metric} is ${shown(ofTuned)}, and a bag of words reaches ${shown(ofBag)}`]
}

/** How much better: what less is better of counts by its fall. */
const gain = (metric: ScalarName, reference: Scored, tuned: Scored): number => {
  const delta = scalarMetric(metric, tuned)() - scalarMetric(metric, reference)()
  return isHigherBetter(metric) ? delta : -delta
}

const shown = (value: number): string => String(Number(value.toPrecision(4)))
