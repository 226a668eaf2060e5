import type { DesignMatrix } from "../statistics/designMatrix.ts"
import { fitLogisticRegression, predictProbabilities } from "../statistics/logisticRegression.ts"
import { fitRidge, predictRidge } from "../statistics/ridgeRegression.ts"
import type { Targets } from "../tensors/targets.ts"

export interface LinearInput {
  /** Features of the rows fitted on. */
  readonly fit: DesignMatrix
  readonly targets: Targets
  /** Outputs: classes, labels, or 1 for a number. */
  readonly classes: number
  /** Features of the rows to predict. */
  readonly test: DesignMatrix
}

export interface Strength {
  /** Of logistic regression: inverse strength of the penalty. */
  readonly C: number
  /** Of ridge regression: its strength. */
  readonly alpha: number
}

export interface LinearOutcome {
  /** float32 [rows to predict, classes]: probabilities, or numbers */
  readonly scores: Float32Array
  /** The most that a model of it took. */
  readonly iterations: number
  readonly converged: boolean
}

/** The linear model for a kind of targets: logistic regression, one against the rest for each of several labels, or ridge regression. */
export const linearModel = ({ classes, fit, targets, test }: LinearInput, { C, alpha }: Strength): LinearOutcome => {
  switch (targets.kind) {
    case "value": {
      const model = fitRidge(fit, targets.values, alpha)
      return { ...model, scores: Float32Array.from(predictRidge(model, test)) }
    }
    case "classes": {
      const model = fitLogisticRegression(fit, targets.classes, classes, { C })
      return { ...model, scores: Float32Array.from(predictProbabilities(model, test)) }
    }
    case "several": {
      const scores = new Float32Array(test.rows * classes)
      let [iterations, converged] = [0, true]
      for (let label = 0; label < classes; label++) {
        const own = Int32Array.from({ length: fit.rows }, (_, row) => targets.values[row * classes + label]!)
        const model = fitLogisticRegression(fit, own, 2, { C })
        const probabilities = predictProbabilities(model, test)
        for (let row = 0; row < test.rows; row++) scores[row * classes + label] = probabilities[2 * row + 1]!
        iterations = Math.max(iterations, model.iterations)
        converged &&= model.converged
      }
      return { scores, iterations, converged }
    }
  }
}
