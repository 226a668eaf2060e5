/** A pair of measurements of each row: what is true and what was predicted. */
export interface Measured {
  /** [N] */
  readonly truth: Float64Array
  /** [N] */
  readonly predicted: Float64Array
}

/** The places that count, repeated ones as often as they stand; absent: each once. */
type Rows = Int32Array | undefined

const chosen = (values: Float64Array, rows: Rows): Float64Array =>
  rows === undefined ? values : Float64Array.from(rows, (row) => values[row]!)

const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** Mean absolute error, in the unit of the targets. */
export const meanAbsoluteError = ({ predicted, truth }: Measured, rows?: Int32Array): number =>
  mean(
    chosen(
      truth.map((value, row) => Math.abs(value - predicted[row]!)),
      rows
    )
  )

/** Root of the mean squared error, in the unit of the targets. */
export const rootMeanSquaredError = ({ predicted, truth }: Measured, rows?: Int32Array): number =>
  Math.sqrt(
    mean(
      chosen(
        truth.map((value, row) => (value - predicted[row]!) ** 2),
        rows
      )
    )
  )

/**
 * Share of the targets' variance that is explained: 1 for perfect, 0 for as good as the mean of these rows, below for worse. Of constant
 * targets 1 where all are met, else 0. Source: scikit-learn's `r2_score`.
 */
export const determination = ({ predicted, truth }: Measured, rows?: Int32Array): number => {
  const targets = chosen(truth, rows)
  const guesses = chosen(predicted, rows)
  const centre = mean(targets)
  const left = targets.reduce((sum, value, row) => sum + (value - guesses[row]!) ** 2, 0)
  const all = targets.reduce((sum, value) => sum + (value - centre) ** 2, 0)
  return all === 0 ? (left === 0 ? 1 : 0) : 1 - left / all
}

/** Linear correlation; NaN where a side is constant, as SciPy's `pearsonr`. */
export const pearson = ({ predicted, truth }: Measured, rows?: Int32Array): number =>
  correlation(chosen(truth, rows), chosen(predicted, rows))

/** Correlation of the ranks, equal values sharing the mean of theirs, as SciPy's `spearmanr`. */
export const spearman = ({ predicted, truth }: Measured, rows?: Int32Array): number =>
  correlation(ranks(chosen(truth, rows)), ranks(chosen(predicted, rows)))

const correlation = (a: Float64Array, b: Float64Array): number => {
  const [ofA, ofB] = [mean(a), mean(b)]
  let [both, left, right] = [0, 0, 0]
  a.forEach((value, row) => {
    const [x, y] = [value - ofA, b[row]! - ofB]
    both += x * y
    left += x * x
    right += y * y
  })
  return both / Math.sqrt(left * right)
}

/** From 1; equal values get the mean of the ranks that they take up. */
export const ranks = (values: Float64Array): Float64Array => {
  const order = Array.from(values.keys()).sort((a, b) => values[a]! - values[b]!)
  const result = new Float64Array(values.length)
  for (let from = 0; from < order.length;) {
    let to = from
    while (to + 1 < order.length && values[order[to + 1]!] === values[order[from]!]) to++
    for (let at = from; at <= to; at++) result[order[at]!] = (from + to) / 2 + 1
    from = to + 1
  }
  return result
}
