/** Probabilities nearer to 0 than this count as this: one sure mistake must not make a mean infinite. float32's machine epsilon. */
const LEAST = 2 ** -23

/**
 * Mean negative log probability of the true class, in nats; rows are scaled to sum to 1 first. NaN of no rows.
 * Source: scikit-learn's `log_loss`, with float32's epsilon.
 *
 * @param labels [N] true classes
 * @param scores [N, K] row-major
 * @param rows which rows count, repeated ones as often as they stand; absent: each once
 */
export const logLoss = (labels: Int32Array, scores: Float32Array, classes: number, rows?: Int32Array): number => {
  const losses = rowLosses(labels, scores, classes)
  return meanOver(losses, rows)
}

/** [N] the negative log probability of each row's true class. */
export const rowLosses = (labels: Int32Array, scores: Float32Array, classes: number): Float64Array =>
  Float64Array.from(labels, (label, row) => {
    let sum = 0
    for (let at = 0; at < classes; at++) sum += scores[row * classes + at]!
    return -Math.log(Math.min(1 - LEAST, Math.max(LEAST, scores[row * classes + label]! / sum)))
  })

export const meanOver = (values: Float64Array, rows?: Int32Array): number => {
  let sum = 0
  if (rows === undefined) for (const value of values) sum += value
  else for (const row of rows) sum += values[row]!
  return sum / (rows ?? values).length
}

/**
 * Expected calibration error: how far, on the mean over rows, the confidence in the predicted class is from the share that is
 * right, within bins of equal width (a confidence on a border belongs below it). Source: Guo et al. 2017, with their 15 bins.
 *
 * @param confidences [N] the probability of the predicted class
 * @param isRight [N] 1 where the prediction is right
 */
export const calibrationError = (
  confidences: Float64Array,
  isRight: Uint8Array,
  bins = 15,
  rows?: Int32Array
): number => {
  const gap = new Float64Array(bins)
  const count = rows === undefined ? confidences.length : rows.length
  for (let at = 0; at < count; at++) {
    const row = rows === undefined ? at : rows[at]!
    const bin = Math.min(bins - 1, Math.max(0, Math.ceil(confidences[row]! * bins) - 1))
    gap[bin]! += isRight[row]! - confidences[row]!
  }
  return gap.reduce((sum, value) => sum + Math.abs(value), 0) / count
}
