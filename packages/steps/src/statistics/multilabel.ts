/** Several labels a row, each true or not, each predicted or not: 1 or 0, [N, K] row-major. */
export interface Several {
  readonly labels: number
  readonly truth: Uint8Array
  readonly predicted: Uint8Array
}

export interface LabelScore {
  readonly precision: number
  readonly recall: number
  readonly f1: number
  /** Rows that have the label. */
  readonly support: number
}

interface Counts {
  readonly hits: Float64Array
  readonly support: Float64Array
  readonly predicted: Float64Array
}

const countsOf = ({ labels, predicted, truth }: Several, rows: Int32Array | undefined): Counts => {
  const counts = {
    hits: new Float64Array(labels),
    support: new Float64Array(labels),
    predicted: new Float64Array(labels)
  }
  const count = rows === undefined ? truth.length / labels : rows.length
  for (let at = 0; at < count; at++) {
    const from = (rows === undefined ? at : rows[at]!) * labels
    for (let label = 0; label < labels; label++) {
      const [is, said] = [truth[from + label]!, predicted[from + label]!]
      counts.support[label]! += is
      counts.predicted[label]! += said
      counts.hits[label]! += is * said
    }
  }
  return counts
}

const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)

/** Precision, recall and F1 of each label, 0 where there is nothing to divide by. */
export const labelScores = (several: Several, rows?: Int32Array): ReadonlyArray<LabelScore> => {
  const { hits, predicted, support } = countsOf(several, rows)
  return Array.from(hits, (own, label) => ({
    precision: share(own, predicted[label]!),
    recall: share(own, support[label]!),
    f1: share(2 * own, predicted[label]! + support[label]!),
    support: support[label]!
  }))
}

/** F1 over all decisions (`micro`), or the mean of the labels' (`macro`, labels without a row counting 0): scikit-learn's `f1_score`. */
export const severalF1 = (several: Several, average: "micro" | "macro", rows?: Int32Array): number => {
  if (average === "macro") {
    return labelScores(several, rows).reduce((sum, { f1 }) => sum + f1 / several.labels, 0)
  }
  const { hits, predicted, support } = countsOf(several, rows)
  const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0)
  return share(2 * sum(hits), sum(predicted) + sum(support))
}

/** [N] 1 where every label of a row is as it should be. */
export const exactRows = ({ labels, predicted, truth }: Several): Uint8Array =>
  Uint8Array.from({ length: truth.length / labels }, (_, row) => {
    for (let at = row * labels; at < (row + 1) * labels; at++) if (truth[at] !== predicted[at]) return 0
    return 1
  })

/** [N] the mean over labels of the negative log probability of what is true of the label, in nats. */
export const severalLosses = (
  { labels, truth }: Pick<Several, "labels" | "truth">,
  scores: Float32Array
): Float64Array => {
  const least = 2 ** -23
  return Float64Array.from({ length: truth.length / labels }, (_, row) => {
    let sum = 0
    for (let at = row * labels; at < (row + 1) * labels; at++) {
      const probability = truth[at] === 1 ? scores[at]! : 1 - scores[at]!
      sum -= Math.log(Math.min(1 - least, Math.max(least, probability)))
    }
    return sum / labels
  })
}
