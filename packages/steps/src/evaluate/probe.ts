import { denseMatrix, type DesignMatrix } from "../statistics/designMatrix.ts"
import { fitLogisticRegression, predictProbabilities } from "../statistics/logisticRegression.ts"

/** Inverse strength of the probe's L2 penalty: scikit-learn's default. */
const PROBE_C = 1

export interface ProbeInput {
  /** Training rows: one vector [C] each. */
  readonly x: ReadonlyArray<Float32Array>
  /** [training rows] class of each, from 0 */
  readonly targets: Int32Array
  readonly classes: number
  /** Rows to predict. */
  readonly test: ReadonlyArray<Float32Array>
}

export interface Probe {
  /** Probabilities of each row to predict, float32 [rows, classes]. */
  readonly scores: Float32Array
  readonly iterations: number
  readonly converged: boolean
}

const matrix = (rows: ReadonlyArray<Float32Array>): DesignMatrix => {
  const columns = rows[0]?.length ?? 0
  const values = new Float32Array(rows.length * columns)
  rows.forEach((row, at) => values.set(row, at * columns))
  return denseMatrix(values, rows.length, columns)
}

/** Logistic regression on frozen features: what a base already knows of the classes. */
export const probe = ({ classes, targets, test, x }: ProbeInput): Probe => {
  const model = fitLogisticRegression(matrix(x), targets, classes, { C: PROBE_C })
  const scores = Float32Array.from(predictProbabilities(model, matrix(test)))
  return { scores, iterations: model.iterations, converged: model.converged }
}
