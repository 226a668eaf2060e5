import type { DesignMatrix } from "./designMatrix.ts"
import { minimize } from "./minimize.ts"

export interface RidgeModel {
  /** [D] */
  readonly weights: Float64Array
  /** Not penalised. */
  readonly intercept: number
  readonly iterations: number
  readonly converged: boolean
}

/**
 * Least squares with an L2 penalty on the weights: minimises |y - Xw - b|^2 + alpha |w|^2.
 * Source: scikit-learn's `Ridge`.
 *
 * @param targets [N]
 * @throws RangeError without rows
 */
export const fitRidge = (features: DesignMatrix, targets: Float64Array, alpha: number): RidgeModel => {
  const rows = targets.length
  if (rows === 0) throw new RangeError("ridge regression of no rows")
  const size = features.columns
  // Centred and in units of their spread, so that one tolerance fits all targets.
  const mean = targets.reduce((sum, value) => sum + value / rows, 0)
  const sd = Math.sqrt(targets.reduce((sum, value) => sum + (value - mean) ** 2 / rows, 0)) || 1
  const residuals = new Float64Array(rows)
  const { converged, iterations, point } = minimize(
    (at, gradient) => {
      const weights = at.subarray(0, size)
      residuals.fill(at[size]!)
      features.addScores(weights, 1, residuals)
      let loss = 0
      for (let row = 0; row < rows; row++) {
        residuals[row] = (residuals[row]! - (targets[row]! - mean) / sd) / rows
        loss += (residuals[row]! ** 2 * rows) / 2
      }
      gradient.fill(0)
      features.addGradient(residuals, 1, gradient.subarray(0, size))
      let square = 0
      for (let column = 0; column < size; column++) {
        square += weights[column]! ** 2
        gradient[column]! += (alpha / rows) * weights[column]!
      }
      gradient[size] = residuals.reduce((sum, value) => sum + value, 0)
      return loss + (alpha * square) / (2 * rows)
    },
    new Float64Array(size + 1),
    { tolerance: 1e-7, maxIterations: 1000 }
  )
  return {
    weights: point.slice(0, size).map((weight) => weight * sd),
    intercept: point[size]! * sd + mean,
    iterations,
    converged
  }
}

/** [N] */
export const predictRidge = ({ intercept, weights }: RidgeModel, features: DesignMatrix): Float64Array => {
  const values = new Float64Array(features.rows).fill(intercept)
  features.addScores(weights, 1, values)
  return values
}
