import { seededDraws } from "./random.ts"

/** A statistic of some rows, named by their indices; rows may repeat. */
export type Statistic = (rows: Int32Array) => number

export interface Interval {
  readonly low: number
  readonly high: number
}

/**
 * Statistics of resamples of rows, with replacement; all statistics see the same resamples, so that differences between them are
 * paired: what is compared on a row is drawn together with it. Source: Efron and Tibshirani 1993, chapter 6.
 *
 * @param rows how many there are
 * @returns for each statistic, its value on each resample
 */
export const resampled = (
  rows: number,
  statistics: ReadonlyArray<Statistic>,
  options: { readonly resamples: number; readonly seed: number }
): ReadonlyArray<Float64Array> => {
  const draw = seededDraws(options.seed)
  const values = statistics.map(() => new Float64Array(options.resamples))
  const sample = new Int32Array(rows)
  for (let resample = 0; resample < options.resamples; resample++) {
    for (let at = 0; at < rows; at++) sample[at] = draw(rows)
    for (let of = 0; of < statistics.length; of++) values[of]![resample] = statistics[of]!(sample)
  }
  return values
}

/**
 * The percentile interval of a statistic. Source: Efron and Tibshirani 1993, 13.3; quantiles interpolate linearly, as NumPy's do.
 * @param values on each resample; their order is left as it is
 * @param confidence in (0, 1): 0.95
 */
export const percentileInterval = (values: Float64Array, confidence: number): Interval => {
  const sorted = values.toSorted()
  const tail = (1 - confidence) / 2
  return { low: quantile(sorted, tail), high: quantile(sorted, 1 - tail) }
}

/** Of sorted values, between neighbours by linear interpolation. */
export const quantile = (sorted: Float64Array, share: number): number => {
  const place = share * (sorted.length - 1)
  const below = Math.floor(place)
  const above = Math.min(below + 1, sorted.length - 1)
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (place - below)
}
