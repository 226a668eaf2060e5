import { meanOver } from "./probability.ts"

/** A pair of measurements of each row: what is true and what was predicted. */
export interface Measured {
  /** [N] */
  readonly truth: Float64Array
  /** [N] */
  readonly predicted: Float64Array
}

/**
 * A measure of some rows, repeated ones as often as they stand; of all where none are named. What does not hang on the rows is computed
 * once, so that ten thousand resamples cost neither memory nor sorting.
 */
export type MeasureOfRows = (rows?: Int32Array) => number

/** Mean absolute error, in the unit of the targets. */
export const meanAbsoluteError = ({ predicted, truth }: Measured): MeasureOfRows => {
  const errors = truth.map((value, row) => Math.abs(value - predicted[row]!))
  return (rows) => meanOver(errors, rows)
}

/** Root of the mean squared error, in the unit of the targets. */
export const rootMeanSquaredError = ({ predicted, truth }: Measured): MeasureOfRows => {
  const squares = squaredErrors({ predicted, truth })
  return (rows) => Math.sqrt(meanOver(squares, rows))
}

const squaredErrors = ({ predicted, truth }: Measured): Float64Array =>
  truth.map((value, row) => (value - predicted[row]!) ** 2)

/**
 * Share of the targets' variance that is explained: 1 for perfect, 0 for as good as the mean of these rows, below for worse. Of constant
 * targets 1 where all are met, else 0. Source: scikit-learn's `r2_score`.
 */
export const determination = (measured: Measured): MeasureOfRows => {
  const { truth } = measured
  const squares = squaredErrors(measured)
  return (rows) => {
    const centre = meanOver(truth, rows)
    const left = meanOver(squares, rows)
    const all = meanProduct(truth, centre, truth, centre, rows)
    return all === 0 ? (left === 0 ? 1 : 0) : 1 - left / all
  }
}

/** Linear correlation; NaN where a side is constant, as SciPy's `pearsonr`. */
export const pearson =
  ({ predicted, truth }: Measured): MeasureOfRows =>
  (rows) =>
    correlation({ truth, predicted }, meanOver(truth, rows), meanOver(predicted, rows), rows)

/** Correlation of the ranks, equal values sharing the mean of theirs, as SciPy's `spearmanr`. */
export const spearman = ({ predicted, truth }: Measured): MeasureOfRows => {
  const [ofTruth, ofPredicted] = [ranking(truth), ranking(predicted)]
  const counts = new Float64Array(truth.length)
  return (rows) => {
    countRows(counts, rows)
    // Ranks of n rows, whatever their ties, have this mean.
    const centre = ((rows?.length ?? truth.length) + 1) / 2
    return correlation({ truth: ofTruth(counts), predicted: ofPredicted(counts) }, centre, centre, rows)
  }
}

const countRows = (counts: Float64Array, rows: Int32Array | undefined): void => {
  counts.fill(rows === undefined ? 1 : 0)
  if (rows !== undefined) for (let at = 0; at < rows.length; at++) counts[rows[at]!]!++
}

/**
 * Sorts once; gives the rank of each row among rows that stand so often each: from 1, equal values the mean of the ranks that they take
 * up. The array that is given is overwritten by the next call.
 */
const ranking = (values: Float64Array): ((counts: Float64Array) => Float64Array) => {
  const order = Int32Array.from(values.keys()).sort((a, b) => values[a]! - values[b]!)
  const ranks = new Float64Array(values.length)
  return (counts) => {
    let below = 0
    for (let from = 0; from < order.length;) {
      const value = values[order[from]!]!
      let own = 0
      let to = from
      // NaN, which a broken model predicts, has no rank, and is not even equal to itself.
      do own += counts[order[to]!]!
      while (++to < order.length && values[order[to]!] === value)
      for (let at = from; at < to; at++) ranks[order[at]!] = Number.isNaN(value) ? NaN : below + (own + 1) / 2
      below += own
      from = to
    }
    return ranks
  }
}

/** The mean of (a - ofA) * (b - ofB) over rows. */
const meanProduct = (
  a: Float64Array,
  ofA: number,
  b: Float64Array,
  ofB: number,
  rows: Int32Array | undefined
): number => {
  const count = rows === undefined ? a.length : rows.length
  let sum = 0
  for (let at = 0; at < count; at++) {
    const row = rows === undefined ? at : rows[at]!
    sum += (a[row]! - ofA) * (b[row]! - ofB)
  }
  return sum / count
}

const correlation = (
  { predicted, truth }: Measured,
  ofTruth: number,
  ofPredicted: number,
  rows: Int32Array | undefined
): number => {
  const both = meanProduct(truth, ofTruth, predicted, ofPredicted, rows)
  const left = meanProduct(truth, ofTruth, truth, ofTruth, rows)
  const right = meanProduct(predicted, ofPredicted, predicted, ofPredicted, rows)
  return both / Math.sqrt(left * right)
}
