import { denseMatrix, type DesignMatrix } from "../statistics/designMatrix.ts"
import type { Targets } from "../tensors/targets.ts"
import { linearModel } from "./linearModel.ts"

/** Inverse strength of the probe's L2 penalty: scikit-learn's default. */
const PROBE_C = 1

export interface ProbeInput {
  /** Training rows: one vector [C] each. */
  readonly x: ReadonlyArray<Float32Array>
  /** Of the training rows. */
  readonly targets: Targets
  readonly classes: number
  /** Rows to predict. */
  readonly test: ReadonlyArray<Float32Array>
}

export interface Probe {
  /** Probabilities of each row to predict, or its number, float32 [rows, classes]. */
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

/** Strength of the L2 penalty of a probe for numbers: scikit-learn's default. */
const PROBE_ALPHA = 1

/** A linear model on frozen features: what a base already knows of the targets. */
export const probe = ({ classes, targets, test, x }: ProbeInput): Probe =>
  linearModel({ fit: matrix(x), targets, classes, test: matrix(test) }, { C: PROBE_C, alpha: PROBE_ALPHA })
