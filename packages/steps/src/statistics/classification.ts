/** Counts of [true class, predicted class], row-major; one more array than `classes` squared is never made. */
export interface Confusion {
  readonly classes: number
  readonly counts: Float64Array
}

/**
 * @param labels [N] true classes
 * @param predicted [N] predicted classes
 * @param rows which rows count, repeated ones as often as they stand; absent: each once
 */
export const confusionMatrix = (
  labels: Int32Array,
  predicted: Int32Array,
  classes: number,
  rows?: Int32Array
): Confusion => {
  const counts = new Float64Array(classes * classes)
  if (rows === undefined)
    for (let row = 0; row < labels.length; row++) counts[labels[row]! * classes + predicted[row]!]!++
  else for (const row of rows) counts[labels[row]! * classes + predicted[row]!]!++
  return { classes, counts }
}

export interface ClassScore {
  readonly precision: number
  readonly recall: number
  readonly f1: number
  /** Rows whose true class it is. */
  readonly support: number
  /** Rows for which it was predicted. */
  readonly predicted: number
}

/** Precision, recall and F1 of each class; 0 where nothing was predicted or nothing is there, as scikit-learn has it. */
export const classScores = ({ classes, counts }: Confusion): ReadonlyArray<ClassScore> =>
  Array.from({ length: classes }, (_, at) => {
    const hits = counts[at * classes + at]!
    let support = 0
    let predicted = 0
    for (let other = 0; other < classes; other++) {
      support += counts[at * classes + other]!
      predicted += counts[other * classes + at]!
    }
    return {
      precision: predicted === 0 ? 0 : hits / predicted,
      recall: support === 0 ? 0 : hits / support,
      f1: support + predicted === 0 ? 0 : (2 * hits) / (support + predicted),
      support,
      predicted
    }
  })

const total = ({ counts }: Confusion): number => counts.reduce((sum, count) => sum + count, 0)

const hits = ({ classes, counts }: Confusion): number => {
  let sum = 0
  for (let at = 0; at < classes; at++) sum += counts[at * classes + at]!
  return sum
}

/** The share of rows predicted right; NaN of no rows. */
export const accuracy = (confusion: Confusion): number => hits(confusion) / total(confusion)

/**
 * F1 over classes. `macro`: the mean over classes that occur, as true or as predicted ones; `weighted`: by the true rows of each;
 * `micro`: over all decisions, which is the accuracy where each row has one label.
 */
export const f1 = (confusion: Confusion, average: "macro" | "micro" | "weighted"): number => {
  if (average === "micro") return accuracy(confusion)
  const scores = classScores(confusion).filter(({ predicted, support }) => predicted + support > 0)
  const weight = (score: ClassScore) => (average === "macro" ? 1 : score.support)
  const weights = scores.reduce((sum, score) => sum + weight(score), 0)
  return scores.reduce((sum, score) => sum + weight(score) * score.f1, 0) / weights
}

/**
 * Matthews' correlation coefficient over any number of classes, 0 where either side is constant.
 * Source: Gorodkin 2004 (R_K), as scikit-learn's `matthews_corrcoef`.
 */
export const matthewsCorrelation = (confusion: Confusion): number => {
  const rows = total(confusion)
  let covariance = hits(confusion) * rows
  let truth = rows * rows
  let guess = rows * rows
  for (const { predicted, support } of classScores(confusion)) {
    covariance -= predicted * support
    truth -= support * support
    guess -= predicted * predicted
  }
  return truth * guess === 0 ? 0 : covariance / Math.sqrt(truth * guess)
}
