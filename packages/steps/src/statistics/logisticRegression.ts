import type { DesignMatrix } from "./designMatrix.ts"
import { minimize } from "./minimize.ts"

export interface LogisticModel {
  /** How many classes there are, those without a row in training too. */
  readonly classes: number
  /** Classes that training had rows of, ascending; the others get probability 0. */
  readonly present: Int32Array
  /** Score columns: one for each class present, or a single one where two are. */
  readonly outputs: number
  /** [D, outputs] row-major */
  readonly weights: Float64Array
  /** [outputs], not penalised */
  readonly intercepts: Float64Array
  readonly iterations: number
  readonly converged: boolean
}

export interface LogisticOptions {
  /** Inverse strength of the L2 penalty, against the SUM of the losses, as scikit-learn counts it. */
  readonly C: number
  /** Largest entry of the gradient of the mean objective at which to stop. */
  readonly tolerance?: number
  readonly maxIterations?: number
}

/**
 * Logistic regression: binomial for two classes, multinomial (softmax) for more, with an L2 penalty on the weights and none on the
 * intercepts. Minimises mean loss + |W|^2 / (2 C N). Source: scikit-learn's `LogisticRegression(solver="lbfgs")`.
 *
 * @param labels [N] classes from 0
 * @throws RangeError without rows
 */
export const fitLogisticRegression = (
  features: DesignMatrix,
  labels: Int32Array,
  classes: number,
  options: LogisticOptions
): LogisticModel => {
  if (labels.length === 0) throw new RangeError("logistic regression of no rows")
  const present = Int32Array.from(new Set(labels)).sort()
  const outputs = present.length === 2 ? 1 : present.length
  const size = features.columns * outputs
  const shared = { classes, present, outputs }
  if (present.length === 1) {
    return {
      ...shared,
      weights: new Float64Array(size),
      intercepts: new Float64Array(1),
      iterations: 0,
      converged: true
    }
  }
  const targets = labels.map((label) => present.indexOf(label))
  const penalty = 1 / (options.C * labels.length)
  const residuals = new Float64Array(features.rows * outputs)
  const { converged, iterations, point } = minimize(
    (point, gradient) => {
      const weights = point.subarray(0, size)
      const scores = scoresOf(features, weights, point.subarray(size), outputs)
      const loss = (outputs === 1 ? binomial : multinomial)(scores, targets, outputs, residuals)
      gradient.fill(0)
      features.addGradient(residuals, outputs, gradient.subarray(0, size))
      let square = 0
      for (let at = 0; at < size; at++) {
        square += weights[at]! ** 2
        gradient[at]! += penalty * weights[at]!
      }
      for (let at = 0; at < residuals.length; at++) gradient[size + (at % outputs)]! += residuals[at]!
      return loss + (penalty * square) / 2
    },
    new Float64Array(size + outputs),
    { tolerance: options.tolerance ?? 1e-5, maxIterations: options.maxIterations ?? 1000 }
  )
  return { ...shared, weights: point.slice(0, size), intercepts: point.slice(size), iterations, converged }
}

/** [N, classes] row-major: the probability of each class. */
export const predictProbabilities = (model: LogisticModel, features: DesignMatrix): Float64Array => {
  const { classes, intercepts, outputs, present, weights } = model
  const scores = scoresOf(features, weights, intercepts, outputs)
  const probabilities = new Float64Array(features.rows * classes)
  const row = new Float64Array(present.length)
  for (let at = 0; at < features.rows; at++) {
    if (outputs === 1 && present.length === 2) {
      row[1] = 1 / (1 + Math.exp(-scores[at]!))
      row[0] = 1 / (1 + Math.exp(scores[at]!))
    } else softmax(scores.subarray(at * outputs, (at + 1) * outputs), row)
    present.forEach((label, place) => (probabilities[at * classes + label] = row[place]!))
  }
  return probabilities
}

const scoresOf = (
  features: DesignMatrix,
  weights: Float64Array,
  intercepts: Float64Array,
  outputs: number
): Float64Array => {
  const scores = new Float64Array(features.rows * outputs)
  for (let at = 0; at < scores.length; at++) scores[at] = intercepts[at % outputs]!
  features.addScores(weights, outputs, scores)
  return scores
}

/** Writes the softmax of `scores` and returns the logarithm of its denominator. */
const softmax = (scores: Float64Array, probabilities: Float64Array): number => {
  let most = -Infinity
  for (const score of scores) most = Math.max(most, score)
  let sum = 0
  for (let at = 0; at < scores.length; at++) sum += probabilities[at] = Math.exp(scores[at]! - most)
  for (let at = 0; at < scores.length; at++) probabilities[at]! /= sum
  return most + Math.log(sum)
}

/** Mean loss; its derivative by each score goes into `residuals`. */
const multinomial = (scores: Float64Array, targets: Int32Array, outputs: number, residuals: Float64Array): number => {
  const rows = targets.length
  let loss = 0
  for (let row = 0; row < rows; row++) {
    const own = scores.subarray(row * outputs, (row + 1) * outputs)
    const residual = residuals.subarray(row * outputs, (row + 1) * outputs)
    loss += softmax(own, residual) - own[targets[row]!]!
    residual[targets[row]!]! -= 1
  }
  for (let at = 0; at < residuals.length; at++) residuals[at]! /= rows
  return loss / rows
}

/** The same for two classes and one score, the second class's. */
const binomial = (scores: Float64Array, targets: Int32Array, _outputs: number, residuals: Float64Array): number => {
  const rows = targets.length
  let loss = 0
  for (let row = 0; row < rows; row++) {
    const score = scores[row]!
    const isSecond = targets[row]!
    loss += Math.max(score, 0) - score * isSecond + Math.log1p(Math.exp(-Math.abs(score)))
    residuals[row] = (1 / (1 + Math.exp(-score)) - isSecond) / rows
  }
  return loss / rows
}
