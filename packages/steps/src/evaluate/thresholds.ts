import { decide, type Thresholds } from "./decide.ts"
import type { Scored, ScoredClasses, ScoredSeveral } from "./scored.ts"

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

/** Thresholds chosen on these rows: of each of several labels, of the second of two classes by name; null where there are none. */
export const chosenThresholds = (scored: Scored): Thresholds | null => {
  if (scored.kind === "value" || scored.rowIds.length === 0) return null
  const { names, scores } = scored
  if (scored.kind === "several") {
    const of = (values: ArrayLike<number>, at: number) => column(values, names.length, at)
    return Object.fromEntries(names.map((name, at) => [name, bestThreshold(of(scored.truth, at), of(scores, at))]))
  }
  if (names.length !== 2) return null
  return Object.fromEntries([[names[1]!, bestThreshold(scored.labels, column(scores, 2, 1))]])
}

/** Whether rows are of a kind, and have the labels, that the thresholds are for. */
export const takesThresholds = (scored: Scored, thresholds: Thresholds): scored is ScoredClasses | ScoredSeveral => {
  if (scored.kind === "value") return false
  const named = Object.keys(thresholds)
  const isKnown = named.every((name) => scored.names.includes(name))
  return isKnown && (scored.kind === "several" || (scored.names.length === 2 && named.length === 1))
}

/** The same rows with what the thresholds make of the scores. */
export const underThresholds = (
  scored: ScoredClasses | ScoredSeveral,
  thresholds: Thresholds
): ScoredClasses | ScoredSeveral => {
  const { kind, names, rowIds, scores } = scored
  const decided = rowIds.map((_, row) =>
    decide(kind, names, scores.subarray(row * names.length, (row + 1) * names.length), thresholds)
  )
  if (kind === "classes") return { ...scored, predicted: Int32Array.from(decided, ([place]) => place!) }
  const predicted = new Uint8Array(rowIds.length * names.length)
  decided.forEach((places, row) => places.forEach((at) => (predicted[row * names.length + at] = 1)))
  return { ...scored, predicted }
}
