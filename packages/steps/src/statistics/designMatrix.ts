/** Features of rows, as far as linear models need them. `weights` and `residuals` are row-major with K entries a feature or row. */
export interface DesignMatrix {
  readonly rows: number
  readonly columns: number
  /** Adds features [N, D] times weights [D, K] to `scores` [N, K]. */
  readonly addScores: (weights: Float64Array, outputs: number, scores: Float64Array) => void
  /** Adds features, transposed, [D, N] times residuals [N, K] to `gradient` [D, K]. */
  readonly addGradient: (residuals: Float64Array, outputs: number, gradient: Float64Array) => void
}

/** @param values [N, D] row-major */
export const denseMatrix = (values: Float32Array | Float64Array, rows: number, columns: number): DesignMatrix => {
  if (values.length !== rows * columns) throw new TypeError(`${values.length} values are not [${rows}, ${columns}]`)
  return {
    rows,
    columns,
    addScores: (weights, outputs, scores) => {
      for (let row = 0; row < rows; row++) {
        for (let output = 0; output < outputs; output++) {
          let sum = 0
          for (let column = 0; column < columns; column++) {
            sum += values[row * columns + column]! * weights[column * outputs + output]!
          }
          scores[row * outputs + output]! += sum
        }
      }
    },
    addGradient: (residuals, outputs, gradient) => {
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          const value = values[row * columns + column]!
          for (let output = 0; output < outputs; output++) {
            gradient[column * outputs + output]! += value * residuals[row * outputs + output]!
          }
        }
      }
    }
  }
}

/** Compressed sparse rows: row r has `values[offsets[r] .. offsets[r + 1])` in the columns of the same places. */
export interface SparseRows {
  readonly offsets: Int32Array
  readonly columnIndices: Int32Array
  readonly values: Float64Array
  readonly columns: number
}

export const sparseMatrix = ({ columnIndices, columns, offsets, values }: SparseRows): DesignMatrix => {
  const rows = offsets.length - 1
  return {
    rows,
    columns,
    addScores: (weights, outputs, scores) => {
      for (let row = 0; row < rows; row++) {
        for (let at = offsets[row]!; at < offsets[row + 1]!; at++) {
          const from = columnIndices[at]! * outputs
          for (let output = 0; output < outputs; output++)
            scores[row * outputs + output]! += values[at]! * weights[from + output]!
        }
      }
    },
    addGradient: (residuals, outputs, gradient) => {
      for (let row = 0; row < rows; row++) {
        for (let at = offsets[row]!; at < offsets[row + 1]!; at++) {
          const to = columnIndices[at]! * outputs
          for (let output = 0; output < outputs; output++)
            gradient[to + output]! += values[at]! * residuals[row * outputs + output]!
        }
      }
    }
  }
}
