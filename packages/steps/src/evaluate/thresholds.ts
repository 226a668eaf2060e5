import type { Scored, ScoredClasses, ScoredSeveral } from "./scored.ts"

/** From which probability on each label is predicted: all labels of a row that may have several, or the second of two classes. */
export type Thresholds = ReadonlyMap<string, number>

/**
 * The threshold with the highest F1 on these rows, half-way between two scores; the highest of equals. 0.5 where no row is true.
 *
 * @param truth [N] 1 where the label holds
 * @param scores [N] probabilities
 */
export const bestThreshold = (truth: ArrayLike<number>, scores: ArrayLike<number>): number => {
  const order = Array.from({ length: scores.length }, (_, row) => row).sort((a, b) => scores[b]! - scores[a]!)
  const support = order.reduce((sum, row) => sum + truth[row]!, 0)
  let hits = 0
  let best = { f1: 0, threshold: 0.5 }
  order.forEach((row, at) => {
    hits += truth[row]!
    const next = at + 1 < order.length ? scores[order[at + 1]!]! : 0
    if (next === scores[row]!) return
    const f1 = (2 * hits) / (at + 1 + support)
    if (f1 > best.f1) best = { f1, threshold: (scores[row]! + next) / 2 }
  })
  return best.threshold
}

const column = (values: ArrayLike<number>, width: number, at: number): Array<number> =>
  Array.from({ length: values.length / width }, (_, row) => values[row * width + at]!)

/** Thresholds chosen on these rows; null for numbers and for more than two classes, which have none. */
export const chosenThresholds = (scored: Scored): Thresholds | null => {
  if (scored.kind === "value" || scored.rowIds.length === 0) return null
  const { names, scores } = scored
  if (scored.kind === "several") {
    const of = (values: ArrayLike<number>, at: number) => column(values, names.length, at)
    return new Map(names.map((name, at) => [name, bestThreshold(of(scored.truth, at), of(scores, at))]))
  }
  if (names.length !== 2) return null
  return new Map([[names[1]!, bestThreshold(scored.labels, column(scores, 2, 1))]])
}

/** The same rows with what the thresholds make of the scores; a label without a threshold keeps its predictions. */
export const underThresholds = (
  scored: ScoredClasses | ScoredSeveral,
  thresholds: Thresholds
): ScoredClasses | ScoredSeveral => {
  const { names, scores } = scored
  if (scored.kind === "classes") {
    const [positive] = thresholds.keys()
    const at = names.indexOf(positive!)
    const predicted = column(scores, names.length, at).map((score) =>
      score >= thresholds.get(positive!)! ? at : 1 - at
    )
    return { ...scored, predicted: Int32Array.from(predicted) }
  }
  const predicted = scored.predicted.map((said, place) => {
    const threshold = thresholds.get(names[place % names.length]!)
    return threshold === undefined ? said : Number(scores[place]! >= threshold)
  })
  return { ...scored, predicted }
}
